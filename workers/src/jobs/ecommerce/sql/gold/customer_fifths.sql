-- Where fifths begin, but for the first, from worst to best by each measure: the value there, and the customer, since ties are cut by
-- user_id. The first fifths are one longer where customers do not divide; of fewer than five customers each is one.
select concat(p.measure, cast(b.fifth as string)) as fifth, p.value, p.user_id
from (
    select 'recency' as measure, cast(-days_since_last_order as double) as value, user_id,
        row_number() over (order by days_since_last_order desc, user_id) as place
    from customer_spent
    union all
    select 'frequency' as measure, cast(order_count as double) as value, user_id,
        row_number() over (order by order_count, user_id) as place
    from customer_spent
    union all
    select 'amount' as measure, total_spend as value, user_id,
        row_number() over (order by total_spend, user_id) as place
    from customer_spent
) as p
join (
    select f.fifth, f.fifths_before * ((c.customers - c.customers % 5) / 5) + least(f.fifths_before, c.customers % 5) + 1 as place
    from (select cast(count(*) as bigint) as customers from customer_spent) as c
    cross join (values (2, 1), (3, 2), (4, 3), (5, 4)) as f (fifth, fifths_before)
) as b on cast(b.place as bigint) = cast(p.place as bigint)
