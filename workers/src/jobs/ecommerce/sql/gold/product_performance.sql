select
    product_id,
    max(department_id) as department_id,
    max(department) as department,
    max(product_name) as product_name,
    cast(count(*) as int) as total_quantity,
    sw_round(coalesce(cast(sum(try_cast(share as decimal(28, 12))) as double), 0.0), 2) as total_sales,
    sw_round(cast(count(case when reordered then 1 end) as double) / count(*), 4) as reorder_rate,
    sw_round(avg(cast(days_since_prior_order as double)), 1) as avg_days_between_orders
from item_sold
group by product_id
