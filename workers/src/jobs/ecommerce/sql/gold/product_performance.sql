-- Products nobody knows are left out; they have no part in the shares.
select
    s.product_id,
    p.department_id,
    p.department,
    p.product_name,
    cast(s.items as int) as total_quantity,
    sw_round(coalesce(cast(s.sales as double), 0.0), 2) as total_sales,
    sw_round(cast(s.reorders as double) / s.items, 4) as reorder_rate,
    sw_round(s.days, 1) as avg_days_between_orders
from (
    select
        i.product_id,
        count(*) as items,
        sum(try_cast(n.share as decimal(28, 12))) as sales,
        count(case when i.reordered then 1 end) as reorders,
        avg(cast(i.days_since_prior_order as double)) as days
    from item_scope as i
    join order_sold as n on n.order_no = i.order_no
    group by i.product_id
) as s
join products as p on p.product_id = s.product_id
