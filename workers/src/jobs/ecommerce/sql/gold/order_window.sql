-- The orders of the window, each with a short stand-in for its id.
select sw_stand_in(order_id) as order_no, order_id, user_id, total_amount, date
from orders
where date between ${from} and ${to}
