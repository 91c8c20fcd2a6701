-- Bronze orders with their types, and the rules each row breaks. An amount that is not there is not refused here: the
-- quality checks of gold count it. A value that is there and cannot be read is.
select
    t.order_num,
    t.order_id,
    t.user_id,
    t.order_timestamp,
    t.total_amount,
    coalesce(t.date, cast(t.order_timestamp as date)) as date,
    t.corrupt_record,
    t.row_number,
    t.bronze_source_file,
    t.ingested_at,
    concat_ws(
        ',',
        case when corrupt_record is not null then 'malformed_row' end,
        case when order_id is null then 'null_order_id' end,
        case when given_timestamp is null then 'null_order_timestamp' end,
        case when given_timestamp is not null and order_timestamp is null then 'unreadable_order_timestamp' end,
        case when given_num is not null and order_num is null then 'unreadable_order_num' end,
        case when given_user is not null and user_id is null then 'unreadable_user_id' end,
        case when given_date is not null and date is null then 'unreadable_date' end,
        case when given_amount is not null and total_amount is null then 'unreadable_total_amount' end,
        case when total_amount <= 0 then 'total_amount_not_positive' end
    ) as validation_errors
from (
    select
        try_cast(regexp_replace(order_num, '\.0+$', '') as int) as order_num,
        order_id,
        try_cast(regexp_replace(user_id, '\.0+$', '') as int) as user_id,
        sw_parse_ts(order_timestamp) as order_timestamp,
        -- NaN and infinities compare as larger than every number.
        case when abs(try_cast(total_amount as double)) < 1e15 then try_cast(total_amount as double) end as total_amount,
        coalesce(try_cast(date as date), cast(sw_parse_ts(date) as date)) as date,
        order_num as given_num,
        user_id as given_user,
        order_timestamp as given_timestamp,
        total_amount as given_amount,
        date as given_date,
        corrupt_record,
        row_number,
        bronze_source_file,
        processing_timestamp as ingested_at
    from bronze_orders
) as t
