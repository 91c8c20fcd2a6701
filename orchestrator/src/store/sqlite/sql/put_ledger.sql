insert into ledger (
    pipeline, partition, outcome, reason, execution_id, execution_arn, row_count, byte_count, file_count, quality,
    started_at, ended_at, earlier, queued
)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
