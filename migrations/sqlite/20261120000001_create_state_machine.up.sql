-- JSON is kept as text everywhere: as it was given, with its order of keys and its escapes.
-- Instants are milliseconds since 1970-01-01T00:00:00Z, ids of type uuid are their text.

create table state_machine (
    arn text not null,
    name text not null,
    kind text not null,
    status text not null,
    created_at integer not null,
    revision_id text not null,
    tags text not null,
    constraint state_machine_pkey primary key (arn),
    constraint kind_is_known check (kind in ('STANDARD', 'EXPRESS')),
    constraint status_is_known check (status in ('ACTIVE', 'DELETING'))
);

-- list_state_machines
create index state_machine_created on state_machine (created_at, arn);

-- Revisions outlive their machine: histories of ended executions refer to them.
create table revision (
    id text not null,
    state_machine_arn text not null,
    number integer not null,
    definition text not null,
    role_arn text not null,
    logging text not null,
    tracing text not null,
    encryption text not null,
    created_at integer not null,
    constraint revision_pkey primary key (id)
);

create table activity (
    arn text not null,
    name text not null,
    created_at integer not null,
    tags text not null,
    constraint activity_pkey primary key (arn)
);

-- list_activities
create index activity_created on activity (created_at, arn);
