-- Rows live for moments: vacuum early, and leave room for updates in place.
create table task (
    execution_id uuid not null,
    task_id bigint not null,
    queue text not null,
    state text not null,
    attempt bigint not null,
    resource text not null,
    input text not null,
    status text not null,
    token text,
    worker text,
    scheduled_at timestamptz not null,
    -- From when a claim may see it; later than `scheduled_at` while it is reserved.
    visible_at timestamptz not null,
    started_at timestamptz,
    heartbeat_seconds bigint,
    lease_seconds bigint,
    lease_expires_at timestamptz,
    redeliveries bigint not null default 0,
    submission text,
    constraint task_pkey primary key (execution_id, task_id),
    constraint status_is_known check (status in ('SCHEDULED', 'STARTED')),
    constraint started_at_iff_started check ((status = 'STARTED') = (started_at is not null)),
    constraint token_if_started check (status = 'SCHEDULED' or token is not null),
    constraint lease_only_while_started check (lease_expires_at is null or status = 'STARTED')
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- claim; backlog
create index task_waiting on task (queue, visible_at, execution_id, task_id) where status = 'SCHEDULED';
-- expired_leases
create index task_lease on task (lease_expires_at) where lease_expires_at is not null;

create table timer (
    execution_id uuid not null,
    event_id bigint not null,
    kind text not null,
    due_at timestamptz not null,
    -- `due_at`, or later while a sweeper has reserved it.
    visible_at timestamptz not null,
    constraint timer_pkey primary key (execution_id, event_id, kind),
    constraint kind_is_known check (kind in ('WAIT', 'RETRY', 'TASK_TIMEOUT', 'HEARTBEAT', 'EXECUTION_TIMEOUT')),
    constraint visible_when_due check (visible_at >= due_at)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- due_timers
create index timer_visible on timer (visible_at);

-- A commit whose facts have changed since they were read must leave no trace: raised inside its one statement.
create function commit_conflict() returns bigint language plpgsql as $$
begin
    raise exception 'another node was faster' using errcode = 'SW001';
end
$$;
