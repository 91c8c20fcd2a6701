-- What each customer has spent, and when last. That orders have ids of their own is checked, so they are only counted.
select
    user_id,
    sw_round(coalesce(cast(sum(try_cast(total_amount as decimal(28, 12))) as double), 0.0), 2) as total_spend,
    cast(count(*) as int) as order_count,
    sw_days(${to}) - sw_days(max(date)) as days_since_last_order
from order_window
where user_id is not null
group by user_id
