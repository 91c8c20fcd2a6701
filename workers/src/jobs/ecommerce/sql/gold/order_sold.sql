-- The orders of the window with a known product, and how many items of theirs have one.
select i.order_id, count(*) as items
from item_scope as i
join products as q on q.product_id = i.product_id
where i.in_window
group by i.order_id
