-- Items with all the rules they break.
select
    t.*,
    concat_ws(
        ',',
        case when t.own_errors <> '' then t.own_errors end,
        case when o.order_id is null then 'unknown_order' end,
        case when p.product_id is null then 'unknown_product' end
    ) as validation_errors
from typed_order_items as t
left join known_orders as o on o.order_id = t.order_id
left join known_products as p on p.product_id = t.product_id
