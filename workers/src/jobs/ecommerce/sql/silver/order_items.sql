-- The days that newest rows come into or leave, whole.
select
    id, order_id, user_id, days_since_prior_order, days_since_prior_order_bucket, product_id, add_to_cart_order, reordered,
    order_timestamp, date, bronze_source_file, ${now} as processing_timestamp, 'silver' as layer
from newest
union all
select
    id, order_id, user_id, days_since_prior_order, days_since_prior_order_bucket, product_id, add_to_cart_order, reordered,
    order_timestamp, date, bronze_source_file, processing_timestamp, layer
from silver_order_items as s
where date in (select date from touched) and not exists (select n.id from newest as n where n.id = s.id)
order by date, id
