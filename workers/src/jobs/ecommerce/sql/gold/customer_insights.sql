-- Each customer's score is the sum of three fifths, 1 the worst and 5 the best: one, and one for each other fifth that begins with the
-- customer or before. Only those few customers are found by sorting all (customer_fifths.sql).
with begins as (
    select
        max(case when fifth = 'recency2' then value end) as recency2, max(case when fifth = 'recency2' then user_id end) as recency2_user,
        max(case when fifth = 'recency3' then value end) as recency3, max(case when fifth = 'recency3' then user_id end) as recency3_user,
        max(case when fifth = 'recency4' then value end) as recency4, max(case when fifth = 'recency4' then user_id end) as recency4_user,
        max(case when fifth = 'recency5' then value end) as recency5, max(case when fifth = 'recency5' then user_id end) as recency5_user,
        max(case when fifth = 'frequency2' then value end) as frequency2, max(case when fifth = 'frequency2' then user_id end) as frequency2_user,
        max(case when fifth = 'frequency3' then value end) as frequency3, max(case when fifth = 'frequency3' then user_id end) as frequency3_user,
        max(case when fifth = 'frequency4' then value end) as frequency4, max(case when fifth = 'frequency4' then user_id end) as frequency4_user,
        max(case when fifth = 'frequency5' then value end) as frequency5, max(case when fifth = 'frequency5' then user_id end) as frequency5_user,
        max(case when fifth = 'amount2' then value end) as amount2, max(case when fifth = 'amount2' then user_id end) as amount2_user,
        max(case when fifth = 'amount3' then value end) as amount3, max(case when fifth = 'amount3' then user_id end) as amount3_user,
        max(case when fifth = 'amount4' then value end) as amount4, max(case when fifth = 'amount4' then user_id end) as amount4_user,
        max(case when fifth = 'amount5' then value end) as amount5, max(case when fifth = 'amount5' then user_id end) as amount5_user
    from customer_fifths
),
scored as (
    select
        s.*,
        3
        + case when recency > recency2 or recency = recency2 and user_id >= recency2_user then 1 else 0 end
        + case when recency > recency3 or recency = recency3 and user_id >= recency3_user then 1 else 0 end
        + case when recency > recency4 or recency = recency4 and user_id >= recency4_user then 1 else 0 end
        + case when recency > recency5 or recency = recency5 and user_id >= recency5_user then 1 else 0 end
        + case when frequency > frequency2 or frequency = frequency2 and user_id >= frequency2_user then 1 else 0 end
        + case when frequency > frequency3 or frequency = frequency3 and user_id >= frequency3_user then 1 else 0 end
        + case when frequency > frequency4 or frequency = frequency4 and user_id >= frequency4_user then 1 else 0 end
        + case when frequency > frequency5 or frequency = frequency5 and user_id >= frequency5_user then 1 else 0 end
        + case when amount > amount2 or amount = amount2 and user_id >= amount2_user then 1 else 0 end
        + case when amount > amount3 or amount = amount3 and user_id >= amount3_user then 1 else 0 end
        + case when amount > amount4 or amount = amount4 and user_id >= amount4_user then 1 else 0 end
        + case when amount > amount5 or amount = amount5 and user_id >= amount5_user then 1 else 0 end
        as score
    from begins
    cross join (
        select
            c.*, cast(-days_since_last_order as double) as recency, cast(order_count as double) as frequency,
            total_spend as amount
        from customer_spent as c
    ) as s
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
