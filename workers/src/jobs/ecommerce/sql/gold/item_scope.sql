-- Items that belong to the window by their order, or by their own date where their order does not.
select
    i.id, i.order_id, i.product_id, i.days_since_prior_order, i.reordered, i.date,
    o.order_id is not null as in_window, o.date as order_date, o.user_id, o.total_amount
from order_items as i
left join order_window as o on o.order_id = i.order_id
where o.order_id is not null or i.date between ${from} and ${to}
