insert into ledger (
    pipeline, partition, outcome, reason, execution_id, execution_arn, row_count, byte_count, file_count, quality,
    started_at, ended_at, earlier, queued
)
select *
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[],
    $14::text[]
)
on conflict (pipeline, partition) do update
set
    outcome = excluded.outcome,
    reason = excluded.reason,
    execution_id = excluded.execution_id,
    execution_arn = excluded.execution_arn,
    row_count = excluded.row_count,
    byte_count = excluded.byte_count,
    file_count = excluded.file_count,
    quality = excluded.quality,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    earlier = excluded.earlier,
    queued = excluded.queued
