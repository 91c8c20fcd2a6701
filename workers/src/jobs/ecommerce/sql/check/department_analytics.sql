select
    count(*) as rows,
    count(distinct department) as keys,
    coalesce(sum(total_sales), 0.0) as total_sales,
    coalesce(sum(product_count), 0) as product_count,
    count(case when order_count < 1 or abs(avg_order_value - total_sales / order_count) > 0.01 then 1 end)
        as wrong_averages,
    count(case when product_count < 1 or order_count < 1 or customer_count < 0 or customer_count > order_count then 1 end)
        as out_of_bounds,
    (
        select coalesce(sum(o.total_amount), 0.0)
        from order_window as o
        where o.order_no in (select s.order_no from order_sold as s)
    ) as expected_sales,
    (
        select sw_distinct(i.product_id)
        from item_scope as i
        where i.order_no is not null and i.product_id in (select product_id from products)
    ) as expected_products,
    (select coalesce(sum(total_amount), 0.0) from order_window) as daily_sales
from result
