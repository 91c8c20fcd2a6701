-- What the items of the window are like. What stands in double braces counts different ids, by their type.
select
    count(*) as items,
    count(order_no) as items_in_window,
    count(*) - {{distinct_ids}} as items_without_own_key,
    count(*) - count(product_id) as null_products,
    count(*) - count(reordered) as null_flags,
    count(case when is_misdated then 1 end) as misdated
from item_scope
