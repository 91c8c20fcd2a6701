select
    count(*) as rows,
    sw_distinct(product_id) as keys,
    coalesce(sum(total_sales), 0.0) as total_sales,
    coalesce(sum(total_quantity), 0) as total_quantity,
    count(case when total_quantity < 1 or reorder_rate < 0 or reorder_rate > 1 or reorder_rate is null then 1 end)
        as out_of_bounds,
    (
        select coalesce(sum(o.total_amount), 0.0)
        from order_window as o
        where o.order_no in (select s.order_no from order_sold as s)
    ) as expected_sales,
    (
        select count(*)
        from item_scope as i
        where i.order_no is not null and i.product_id in (select product_id from products)
    ) as expected_quantity
from result
