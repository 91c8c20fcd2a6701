-- The days that newest rows come into or leave, whole.
select
    order_num, order_id, user_id, order_timestamp, total_amount, date,
    cast(date_part('dow', order_timestamp) as int) + 1 as day_of_week,
    cast(date_part('hour', order_timestamp) as int) as hour_of_day,
    bronze_source_file, ${now} as processing_timestamp, 'silver' as layer
from newest
union all
select
    order_num, order_id, user_id, order_timestamp, total_amount, date, day_of_week, hour_of_day, bronze_source_file,
    processing_timestamp, layer
from silver_orders as s
where date in (select date from touched) and not exists (select n.order_id from newest as n where n.order_id = s.order_id)
order by date, order_id
