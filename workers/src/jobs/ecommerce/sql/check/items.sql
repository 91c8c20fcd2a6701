-- What the items of the window are like.
select
    count(*) as items,
    count(case when in_window then 1 end) as items_in_window,
    count(*) - count(distinct id) as items_without_own_key,
    count(*) - count(product_id) as null_products,
    count(*) - count(reordered) as null_flags,
    count(case when in_window and date <> order_date then 1 end) as misdated,
    (
        select count(*)
        from (select order_id from item_scope where not in_window) as u
        left join orders as a on a.order_id = u.order_id
        where a.order_id is null
    ) as unknown_orders
from item_scope
