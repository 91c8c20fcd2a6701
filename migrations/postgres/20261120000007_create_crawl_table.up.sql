create table crawl_table (
    database text collate "C" not null,
    name text collate "C" not null,
    location text not null,
    columns text not null,
    partition_keys text not null,
    partitions text not null,
    crawler text not null,
    updated_at timestamptz not null,
    constraint crawl_table_pkey primary key (database, name)
);
