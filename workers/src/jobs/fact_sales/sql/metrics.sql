-- What the audit says of a published partition.
select
    count(*) as rows_after_dedup,
    coalesce(sum(case when g.transaction_id is null then 1 else 0 end), 0) as null_transaction_id,
    coalesce(sum(case when g.timestamp is null then 1 else 0 end), 0) as null_timestamp,
    coalesce(sum(case when g.store_id is null then 1 else 0 end), 0) as null_store,
    coalesce(sum(case when abs(g.revenue - g.quantity * g.unit_price) > 0.010000001 then 1 else 0 end), 0)
        as dq_balance_issues,
    coalesce(sum(case when cast(g.timestamp as date) <> ${date} then 1 else 0 end), 0) as rows_outside_date,
    coalesce(sum(case when cast(g.timestamp as date) < ${late_before} then 1 else 0 end), 0) as late_rows
from gold g
