-- Items of the window whose order nobody knows.
select count(*) as unknown_orders
from (select stranger from item_scope where order_no is null) as u
left join orders as a on a.order_id = u.stranger
where a.order_id is null
