insert into crawl_table (database, name, location, columns, partition_keys, partitions, crawler, updated_at)
select *
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]
)
on conflict (database, name) do update
set
    location = excluded.location,
    columns = excluded.columns,
    partition_keys = excluded.partition_keys,
    partitions = excluded.partitions,
    crawler = excluded.crawler,
    updated_at = excluded.updated_at
