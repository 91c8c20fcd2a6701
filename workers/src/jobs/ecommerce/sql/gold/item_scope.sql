-- Items that belong to the window by their order (those have its `order_no`), or by their own date where their order does not;
-- `stranger` is the order's id of the latter. What stands in double braces are columns that few tables need.
select
    i.id, i.product_id, i.reordered, o.order_no, o.date as order_date, i.date <> o.date as is_misdated,
    case when o.order_no is null then i.order_id end as stranger{{more}}
from order_window as o
right join order_items as i on i.order_id = o.order_id
where o.order_no is not null or i.date between ${from} and ${to}
