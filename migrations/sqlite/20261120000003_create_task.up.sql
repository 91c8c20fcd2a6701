create table task (
    execution_id text not null,
    task_id integer not null,
    queue text not null,
    state text not null,
    attempt integer not null,
    resource text not null,
    input text not null,
    status text not null,
    token text,
    worker text,
    scheduled_at integer not null,
    -- From when a claim may see it; later than `scheduled_at` while it is reserved.
    visible_at integer not null,
    started_at integer,
    heartbeat_seconds integer,
    lease_seconds integer,
    lease_expires_at integer,
    redeliveries integer not null default 0,
    submission text,
    constraint task_pkey primary key (execution_id, task_id),
    constraint status_is_known check (status in ('SCHEDULED', 'STARTED')),
    constraint started_at_iff_started check ((status = 'STARTED') = (started_at is not null)),
    constraint token_if_started check (status = 'SCHEDULED' or token is not null),
    constraint lease_only_while_started check (lease_expires_at is null or status = 'STARTED')
);

-- claim; backlog
create index task_waiting on task (queue, visible_at, execution_id, task_id) where status = 'SCHEDULED';
-- expired_leases
create index task_lease on task (lease_expires_at) where lease_expires_at is not null;

create table timer (
    execution_id text not null,
    event_id integer not null,
    kind text not null,
    due_at integer not null,
    -- `due_at`, or later while a sweeper has reserved it.
    visible_at integer not null,
    constraint timer_pkey primary key (execution_id, event_id, kind),
    constraint kind_is_known check (kind in ('WAIT', 'RETRY', 'TASK_TIMEOUT', 'HEARTBEAT', 'EXECUTION_TIMEOUT')),
    constraint visible_when_due check (visible_at >= due_at)
);

-- due_timers
create index timer_visible on timer (visible_at);
