create table worker (
    name text not null,
    about text not null,
    seen_at integer not null,
    constraint worker_pkey primary key (name)
);
