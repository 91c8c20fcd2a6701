-- What a user did on a day. Rows without user or date are left out (and counted by the job); a missing side is zero.
-- Stacked and added up instead of a full join: the same rows, and an aggregation can spill to disk.
with sides as (
    select user_id, event_date as d, count(*) as events, 0 as transactions, cast(null as decimal(38, 9)) as revenue,
        0 as amounts
    from events1
    where user_id is not null and event_date is not null
    group by user_id, event_date
    union all
    select user_id, tx_date as d, 0 as events, count(*) as transactions, sum(cast(amount as decimal(38, 9))) as revenue,
        count(amount) as amounts
    from transactions1
    where user_id is not null and tx_date is not null
    group by user_id, tx_date
),
days as (
    select
        user_id, d,
        sum(events) as events,
        sum(transactions) as transactions,
        cast(sum(revenue) as double) as revenue,
        sum(amounts) as amounts
    from sides
    group by user_id, d
)
select
    user_id,
    d as date,
    events as events_count,
    transactions as transactions_count,
    coalesce(revenue, 0.0) as total_revenue,
    coalesce(revenue / nullif(amounts, 0), 0.0) as avg_transaction_amount
from days
order by d, user_id
