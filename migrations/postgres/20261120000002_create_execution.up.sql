-- No foreign keys on the engine's path: the guard of a commit already proves that the execution is there, and a
-- trigger per row would cost more than the row. The fill factor leaves room for updates in place.
create table execution (
    id uuid not null,
    arn text not null,
    name text not null,
    state_machine_arn text not null,
    revision_id uuid not null,
    revision_number bigint not null,
    status text not null,
    input text not null,
    output text,
    error text,
    cause text,
    started_at timestamptz not null,
    stopped_at timestamptz,
    -- When the last turn was; not indexed, so that a turn stays an update in place.
    turn_at timestamptz not null,
    last_event_id bigint not null,
    last_public_id bigint not null,
    trace_header text,
    pipeline text,
    partition text,
    started_by text not null,
    constraint execution_pkey primary key (id),
    constraint execution_arn_is_unique unique (arn),
    constraint status_is_known check (status in ('RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED')),
    constraint stopped_at_iff_not_running check ((status = 'RUNNING') = (stopped_at is null)),
    constraint output_only_if_succeeded check (output is null or status = 'SUCCEEDED'),
    constraint public_ids_within_events check (last_public_id <= last_event_id)
) with (fillfactor = 80);

-- list_executions without a filter
create index execution_started on execution (started_at, id);
-- list_executions of a machine
create index execution_of_machine on execution (state_machine_arn, started_at, id);
-- list_executions that run; stalled; count_executions; whether a machine that is being deleted still has one
create index execution_running on execution (state_machine_arn, started_at, id) where status = 'RUNNING';
-- list_executions that ended badly: few among many
create index execution_unsuccessful on execution (status, started_at, id)
    where status in ('FAILED', 'TIMED_OUT', 'ABORTED');
-- list_executions of a pipeline or a partition
create index execution_of_pipeline on execution (pipeline, partition, started_at, id) where pipeline is not null;
-- count_executions that ended since; ends come in the order of the table, nearly
create index execution_stopped on execution using brin (stopped_at) with (pages_per_range = 16);

-- One row per commit. `first_public_id` of a row without public events is the id of the next one, so that the
-- order of the key is the order of the events, and one index serves replay and paging.
create table journal (
    execution_id uuid not null,
    first_event_id bigint not null,
    last_event_id bigint not null,
    first_public_id bigint not null,
    last_public_id bigint not null,
    events text not null,
    -- load; history in both directions
    constraint journal_pkey primary key (execution_id, first_public_id, first_event_id),
    constraint events_in_order check (first_event_id <= last_event_id),
    constraint public_events_in_order check (first_public_id <= last_public_id + 1)
);
