-- That orders have ids of their own is checked, so they are only counted. Scores by fifths from worst to best; ties are cut by user_id. Below five customers ntile gives 1 to n.
with spent as (
    select
        user_id,
        sw_round(coalesce(cast(sum(try_cast(total_amount as decimal(28, 12))) as double), 0.0), 2) as total_spend,
        cast(count(order_id) as int) as order_count,
        sw_days(${to}) - sw_days(max(date)) as days_since_last_order
    from order_window
    where user_id is not null
    group by user_id
),
scored as (
    select
        spent.*,
        ntile(5) over (order by days_since_last_order desc, user_id)
            + ntile(5) over (order by order_count, user_id)
            + ntile(5) over (order by total_spend, user_id) as score
    from spent
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
