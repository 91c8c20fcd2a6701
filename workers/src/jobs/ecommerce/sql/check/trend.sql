-- The day of the run beside the days before it, as they will be stored.
with days as (
    select date, total_sales, order_count from result
    union all
    select date, total_sales, order_count from stored where date < ${from}
),
before as (
    select * from days where date < ${to} order by date desc limit 28
)
select
    d.total_sales,
    d.order_count,
    (select count(*) from before) as days_before,
    (select avg(total_sales) from before) as mean_sales,
    (select stddev(total_sales) from before) as deviation_sales,
    (select avg(cast(order_count as double)) from before) as mean_orders,
    (select stddev(cast(order_count as double)) from before) as deviation_orders,
    (select max(total_sales) from before where date = ${yesterday}) as sales_before,
    (select max(order_count) from before where date = ${yesterday}) as orders_before
from days as d
where d.date = ${to}
