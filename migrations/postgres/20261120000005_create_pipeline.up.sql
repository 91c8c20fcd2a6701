create table pipeline (
    name text collate "C" not null,
    state_machine_arn text not null,
    sheet text not null,
    updated_at timestamptz not null,
    constraint pipeline_pkey primary key (name)
);

create table ledger (
    -- Partitions are compared byte by byte, as every store and every language here does.
    pipeline text collate "C" not null,
    partition text collate "C" not null,
    outcome text not null,
    reason text,
    execution_id uuid not null,
    execution_arn text not null,
    row_count bigint,
    byte_count bigint,
    file_count bigint,
    quality text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    -- ledger, ledger_newest
    constraint ledger_pkey primary key (pipeline, partition),
    constraint outcome_is_known
        check (outcome in ('QUEUED', 'RUNNING', 'SUCCEEDED', 'SKIPPED', 'FAILED', 'STALE'))
);
