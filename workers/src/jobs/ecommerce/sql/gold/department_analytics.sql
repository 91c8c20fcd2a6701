-- By name only: names and numbers of departments are independent in the source. Every item of the window whose product is known has its
-- row in order_sold; the left join says so. An inner one would be taken for as few rows as there are orders and, beside more products
-- than that, all items would be held.
select
    department_id, department, total_sales, product_count, customer_count, order_count,
    sw_round(total_sales / nullif(order_count, 0), 2) as avg_order_value
from (
    select
        case when sw_distinct(p.department_id) = 1 then max(p.department_id) end as department_id,
        coalesce(p.department, 'Unknown') as department,
        sw_round(coalesce(cast(sum(try_cast(n.share as decimal(28, 12))) as double), 0.0), 2) as total_sales,
        cast(sw_distinct(i.product_id) as int) as product_count,
        cast(sw_distinct(n.user_id) as int) as customer_count,
        cast(sw_distinct(n.order_no) as int) as order_count
    from item_scope as i
    left join order_sold as n on n.order_no = i.order_no
    join products as p on p.product_id = i.product_id
    where i.order_no is not null
    group by coalesce(p.department, 'Unknown')
) as d
