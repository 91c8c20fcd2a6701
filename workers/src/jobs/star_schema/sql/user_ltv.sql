-- The lifetime of each user who did anything, known to the dimension or not.
-- Stacked and added up instead of a full join: the same rows, and an aggregation can spill to disk.
with sides as (
    select user_id, count(*) as events, min(ts) as first_event, max(ts) as last_event, 0 as transactions,
        cast(null as decimal(38, 9)) as revenue
    from events1
    where user_id is not null
    group by user_id
    union all
    select user_id, 0 as events, null as first_event, null as last_event,
        count(*) as transactions, sum(cast(amount as decimal(38, 9))) as revenue
    from transactions1
    where user_id is not null
    group by user_id
),
lifetimes as (
    select
        user_id,
        sum(events) as events,
        min(first_event) as first_event,
        max(last_event) as last_event,
        sum(transactions) as transactions,
        cast(sum(revenue) as double) as revenue
    from sides
    group by user_id
)
select
    user_id,
    events as event_count,
    first_event,
    last_event,
    transactions as transaction_count,
    coalesce(revenue, 0.0) as total_revenue,
    coalesce(revenue, 0.0) as ltv
from lifetimes
order by user_id
