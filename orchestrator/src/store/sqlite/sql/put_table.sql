insert into crawl_table (database, name, location, columns, partition_keys, partitions, crawler, updated_at)
values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (database, name) do update
set
    location = excluded.location,
    columns = excluded.columns,
    partition_keys = excluded.partition_keys,
    partitions = excluded.partitions,
    crawler = excluded.crawler,
    updated_at = excluded.updated_at
