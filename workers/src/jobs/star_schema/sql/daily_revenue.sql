-- Transactions by the day they were made; those without a date are left out (and counted by the job).
with days as (
    select
        tx_date as d,
        count(*) as transaction_count,
        cast(sum(cast(amount as decimal(38, 9))) as double) as revenue,
        count(amount) as amounts,
        sum(case when lower(status) = 'delivered' then 1 else 0 end) as delivered
    from transactions1
    where tx_date is not null
    group by tx_date
)
select
    d as date,
    transaction_count,
    coalesce(revenue, 0.0) as total_revenue,
    revenue / nullif(amounts, 0) as avg_amount,
    cast(delivered as bigint) as delivered_count
from days
order by d
