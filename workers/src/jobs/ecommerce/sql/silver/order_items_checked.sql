-- Items with all the rules they break.
select
    t.id, t.order_id, t.user_id, t.days_since_prior_order, t.days_since_prior_order_bucket, t.product_id, t.add_to_cart_order,
    t.reordered, t.order_timestamp, t.date, t.row_number, t.bronze_source_file, t.ingested_at, t.scoped,
    concat_ws(
        ',',
        case when t.own_errors <> '' then t.own_errors end,
        case when o.order_id is null then 'unknown_order' end,
        case when p.product_id is null then 'unknown_product' end
    ) as validation_errors
from candidates as t
left join known_products as p on p.product_id = t.product_id
left join known_orders as o on o.order_id = t.order_id
