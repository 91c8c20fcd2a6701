-- Scores by fifths from worst to best; ties are cut by user_id. The first fifths are one longer where customers do not divide, so
-- below five customers the score is 1 to n. A place and the number of all say the fifth, which ntile would hold all rows for.
with placed as (
    select
        s.*,
        cast(row_number() over (order by days_since_last_order desc, user_id) as bigint) - 1 as by_recency,
        cast(row_number() over (order by order_count, user_id) as bigint) - 1 as by_frequency,
        cast(row_number() over (order by total_spend, user_id) as bigint) - 1 as by_amount
    from customer_spent as s
),
fifths as (
    select cast((count(*) - count(*) % 5) / 5 as bigint) as size, cast(count(*) % 5 as bigint) as longer from customer_spent
),
scored as (
    select
        p.*,
        greatest(floor(p.by_recency / (f.size + 1)), floor((p.by_recency - f.longer) / nullif(f.size, 0)))
            + greatest(floor(p.by_frequency / (f.size + 1)), floor((p.by_frequency - f.longer) / nullif(f.size, 0)))
            + greatest(floor(p.by_amount / (f.size + 1)), floor((p.by_amount - f.longer) / nullif(f.size, 0)))
            + 3 as score
    from placed as p
    cross join fifths as f
)
select
    user_id,
    total_spend,
    order_count,
    sw_round(total_spend / nullif(order_count, 0), 2) as avg_order_value,
    days_since_last_order,
    case
        when score >= 13 then 'Champions'
        when score >= 10 then 'Loyal Customers'
        when score >= 7 then 'Potential Loyalists'
        when score >= 5 then 'At Risk'
        when score = 4 then 'Needs Attention'
        else 'Lost'
    end as customer_segment
from scored
