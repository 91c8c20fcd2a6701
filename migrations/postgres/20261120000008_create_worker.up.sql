create table worker (
    name text collate "C" not null,
    about text not null,
    seen_at timestamptz not null,
    constraint worker_pkey primary key (name)
);
