create table pipeline (
    name text not null,
    state_machine_arn text not null,
    sheet text not null,
    updated_at integer not null,
    constraint pipeline_pkey primary key (name)
);

create table ledger (
    pipeline text not null,
    partition text not null,
    outcome text not null,
    reason text,
    execution_id text not null,
    execution_arn text not null,
    row_count integer,
    byte_count integer,
    file_count integer,
    quality text not null,
    started_at integer not null,
    ended_at integer,
    -- ledger, ledger_newest
    constraint ledger_pkey primary key (pipeline, partition),
    constraint outcome_is_known
        check (outcome in ('QUEUED', 'RUNNING', 'SUCCEEDED', 'SKIPPED', 'FAILED', 'STALE'))
);
