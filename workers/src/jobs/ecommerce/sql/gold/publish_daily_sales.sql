-- The window's days anew, and the other days of the months it touches as they are.
select *
from (
    select
        date, total_sales, order_count, avg_order_value, items_per_order, unique_customers,
        ${sources} as silver_source_tables, ${now} as processing_timestamp, 'gold' as layer,
        substr(cast(date as string), 1, 4) as year, substr(cast(date as string), 6, 2) as month
    from result
    union all
    select
        date, total_sales, order_count, avg_order_value, items_per_order, unique_customers,
        silver_source_tables, processing_timestamp, layer, year, month
    from stored
    where substr(cast(date as string), 1, 7) between ${first_month} and ${last_month}
        and not (date between ${from} and ${to})
) as days
order by date
