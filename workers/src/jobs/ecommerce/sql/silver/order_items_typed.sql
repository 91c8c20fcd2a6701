-- Bronze items with their types, and the rules each row breaks by itself; a value that is there and cannot be read is one.
select
    t.id,
    t.order_id,
    t.user_id,
    t.days_since_prior_order,
    case
        when days_since_prior_order is null then 'first_order'
        when days_since_prior_order <= 1 then '0-1_days'
        when days_since_prior_order <= 7 then '2-7_days'
        when days_since_prior_order <= 14 then '8-14_days'
        when days_since_prior_order <= 30 then '15-30_days'
        else '30+_days'
    end as days_since_prior_order_bucket,
    t.product_id,
    t.add_to_cart_order,
    t.reordered,
    t.order_timestamp,
    coalesce(t.date, cast(t.order_timestamp as date)) as date,
    t.corrupt_record,
    t.row_number,
    t.bronze_source_file,
    t.ingested_at,
    concat_ws(
        ',',
        case when corrupt_record is not null then 'malformed_row' end,
        case when given_id is null then 'null_id' end,
        case when given_id is not null and id is null then 'unreadable_id' end,
        case when given_timestamp is null then 'null_order_timestamp' end,
        case when given_timestamp is not null and order_timestamp is null then 'unreadable_order_timestamp' end,
        case when given_user is not null and user_id is null then 'unreadable_user_id' end,
        case when given_days is not null and days_since_prior_order is null then 'unreadable_days_since_prior_order' end,
        case when given_product is not null and product_id is null then 'unreadable_product_id' end,
        case when given_place is not null and add_to_cart_order is null then 'unreadable_add_to_cart_order' end,
        case when given_reordered is not null and reordered is null then 'unreadable_reordered' end,
        case when given_date is not null and date is null then 'unreadable_date' end
    ) as own_errors
from (
    select
        try_cast(regexp_replace(id, '\.0+$', '') as int) as id,
        order_id,
        try_cast(regexp_replace(user_id, '\.0+$', '') as int) as user_id,
        try_cast(regexp_replace(days_since_prior_order, '\.0+$', '') as int) as days_since_prior_order,
        try_cast(regexp_replace(product_id, '\.0+$', '') as int) as product_id,
        try_cast(regexp_replace(add_to_cart_order, '\.0+$', '') as int) as add_to_cart_order,
        case
            when lower(reordered) in ('1', '1.0', 'true', 't', 'yes', 'y') then true
            when lower(reordered) in ('0', '0.0', 'false', 'f', 'no', 'n') then false
        end as reordered,
        sw_parse_ts(order_timestamp) as order_timestamp,
        coalesce(try_cast(date as date), cast(sw_parse_ts(date) as date)) as date,
        id as given_id,
        user_id as given_user,
        days_since_prior_order as given_days,
        product_id as given_product,
        add_to_cart_order as given_place,
        reordered as given_reordered,
        order_timestamp as given_timestamp,
        date as given_date,
        corrupt_record,
        row_number,
        bronze_source_file,
        processing_timestamp as ingested_at
    from bronze_order_items
) as t
