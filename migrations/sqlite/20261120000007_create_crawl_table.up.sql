create table crawl_table (
    database text not null,
    name text not null,
    location text not null,
    columns text not null,
    partition_keys text not null,
    partitions text not null,
    crawler text not null,
    updated_at integer not null,
    constraint crawl_table_pkey primary key (database, name)
);
