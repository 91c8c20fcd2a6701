-- The orders of the window with a known product: how many items of theirs have one, and the even share of the order's amount that
-- each of these has, since the source has no prices of items.
select n.order_no, n.items, o.user_id, o.total_amount / n.items as share
from (
    select i.order_no, count(*) as items
    from item_scope as i
    join products as q on q.product_id = i.product_id
    where i.order_no is not null
    group by i.order_no
) as n
join order_window as o on o.order_no = n.order_no
