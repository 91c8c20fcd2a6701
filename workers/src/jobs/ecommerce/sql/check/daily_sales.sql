-- The result beside a second count of its orders.
with recomputed as (
    select date, sum(coalesce(total_amount, 0.0)) as total, sw_distinct(order_no) as orders from order_window group by date
)
select
    count(r.date) as rows,
    count(distinct r.date) as keys,
    sum(r.total_sales) as total_sales,
    sum(c.total) as expected_sales,
    sum(r.order_count) as order_count,
    sum(c.orders) as expected_orders,
    count(case when r.date is null or c.date is null or abs(r.total_sales - c.total) > 0.01 then 1 end) as wrong_totals,
    count(case when r.date is null or c.date is null or r.order_count <> c.orders then 1 end) as wrong_counts,
    count(case when abs(r.total_sales - c.total) > 0.01 * abs(c.total) then 1 end) as totals_off_by_a_percent,
    count(case when r.order_count < 1 or abs(r.avg_order_value - r.total_sales / r.order_count) > 0.01 then 1 end)
        as wrong_averages,
    count(case when r.order_count < 1 or r.unique_customers > r.order_count or r.unique_customers < 0
        or r.items_per_order < 0 or (r.date is not null and r.items_per_order is null) then 1 end) as out_of_bounds
from result as r
full join recomputed as c on c.date = r.date
