-- Sums are decimal, so that they do not depend on the order of the rows. That orders have ids of their own is checked.
with sold as (
    select
        date,
        sw_round(coalesce(cast(sum(try_cast(total_amount as decimal(28, 12))) as double), 0.0), 2) as total_sales,
        count(order_id) as order_count,
        sw_distinct(user_id) as unique_customers
    from order_window
    group by date
),
carried as (
    select order_date as date, count(*) as items from item_scope where order_no is not null group by order_date
)
select
    s.date,
    s.total_sales,
    cast(s.order_count as int) as order_count,
    sw_round(s.total_sales / nullif(s.order_count, 0), 2) as avg_order_value,
    sw_round(cast(coalesce(c.items, 0) as double) / nullif(s.order_count, 0), 2) as items_per_order,
    cast(s.unique_customers as int) as unique_customers
from sold as s
left join carried as c on c.date = s.date
