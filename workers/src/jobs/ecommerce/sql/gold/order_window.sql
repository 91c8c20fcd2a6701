-- The orders of the window.
select order_id, user_id, total_amount, date from orders where date between ${from} and ${to}
