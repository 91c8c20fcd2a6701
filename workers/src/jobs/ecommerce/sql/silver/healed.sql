-- Files with items that were refused for an order or product that is there now.
select distinct r.bronze_source_file
from rejected as r
left join known_orders as o on o.order_id = r.order_id
left join known_products as p on p.product_id = try_cast(regexp_replace(r.product_id, '\.0+$', '') as int)
where r.validation_errors in ('unknown_order', 'unknown_product', 'unknown_order,unknown_product')
    and o.order_id is not null
    and p.product_id is not null
