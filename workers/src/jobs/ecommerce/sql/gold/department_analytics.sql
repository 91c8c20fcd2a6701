-- By name only: names and numbers of departments are independent in the source.
select
    department_id, department, total_sales, product_count, customer_count, order_count,
    sw_round(total_sales / nullif(order_count, 0), 2) as avg_order_value
from (
    select
        case when count(distinct department_id) = 1 then max(department_id) end as department_id,
        coalesce(department, 'Unknown') as department,
        sw_round(coalesce(cast(sum(try_cast(share as decimal(28, 12))) as double), 0.0), 2) as total_sales,
        cast(count(distinct product_id) as int) as product_count,
        cast(count(distinct user_id) as int) as customer_count,
        cast(count(distinct order_id) as int) as order_count
    from item_sold
    group by coalesce(department, 'Unknown')
) as d
