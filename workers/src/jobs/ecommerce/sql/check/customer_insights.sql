select r.*, w.expected_sales, w.expected_rows
from (
    select
        count(*) as rows,
        sw_distinct(user_id) as keys,
        coalesce(sum(total_spend), 0.0) as total_sales,
        count(case when order_count < 1 or abs(avg_order_value - total_spend / order_count) > 0.01 then 1 end)
            as wrong_averages,
        count(case when order_count < 1 or days_since_last_order < 0 or days_since_last_order > ${days} - 1
            or customer_segment is null or customer_segment not in (
                'Champions', 'Loyal Customers', 'Potential Loyalists', 'At Risk', 'Needs Attention', 'Lost'
            ) then 1 end) as out_of_bounds
    from result
) as r
cross join (
    select coalesce(sum(total_amount), 0.0) as expected_sales, sw_distinct(user_id) as expected_rows
    from order_window
    where user_id is not null
) as w
