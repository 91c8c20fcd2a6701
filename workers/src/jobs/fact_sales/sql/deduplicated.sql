-- One row per transaction: the newest; a row that does not say when it came counts as coming now. Rows without a
-- transaction id are never merged. `tie` is null for all others, so it changes no group: it is there for gold's order, which is
-- then the one the groups are found in.
select ranked.*
from (
    select
        h.*,
        row_number() over (
            partition by h.transaction_id, h.tie
            order by
                coalesce(h.ingest_ts, ${compacted_at}) desc,
                h.source_file desc nulls last,
                h.ingest_run_id desc nulls last,
                h.row_hash desc,
                h.parse_failures desc
        ) as newness
    from hashed h
) ranked
where ranked.newness = 1 or ranked.transaction_id is null
