-- Items of the window with a known order and product, each with its even share of the order's amount: the source has no
-- prices of items.
select
    s.order_id, s.product_id, s.user_id, s.days_since_prior_order, s.reordered, p.department_id, p.department, p.product_name,
    s.total_amount / n.items as share
from item_scope as s
join products as p on p.product_id = s.product_id
join order_sold as n on n.order_id = s.order_id
where s.in_window
