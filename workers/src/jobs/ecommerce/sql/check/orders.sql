-- What the orders of the window are like. What stands in double braces counts different ids.
select
    count(*) as orders,
    count(*) - {{distinct_ids}} as orders_without_own_key,
    count(*) - count(user_id) as null_users,
    count(*) - count(total_amount) as null_amounts,
    count(case when total_amount <= 0 then 1 end) as amounts_not_positive,
    (select cast(max(date) as string) from orders where date <= ${to}) as newest_date
from order_window
