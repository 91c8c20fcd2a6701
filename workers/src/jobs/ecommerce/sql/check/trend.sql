-- The day of the run beside the days before it, as they will be stored.
with days as (
    select date, total_sales, order_count from result
    union all
    select date, total_sales, order_count from stored where date < ${from}
),
before as (
    select
        count(*) as days_before,
        avg(total_sales) as mean_sales,
        stddev(total_sales) as deviation_sales,
        avg(cast(order_count as double)) as mean_orders,
        stddev(cast(order_count as double)) as deviation_orders,
        max(case when date = ${yesterday} then total_sales end) as sales_before,
        max(case when date = ${yesterday} then order_count end) as orders_before
    from (select * from days where date < ${to} order by date desc limit 28) as newest
)
select d.total_sales, d.order_count, b.*
from days as d
cross join before as b
where d.date = ${to}
