-- Gold before it is published: what must be true, what is, in one row.
select
    spend_keys.repeated as spend_keys,
    spend_keys.first_date as spend_keys_first,
    usage_keys.repeated as usage_keys,
    usage_keys.first_date as usage_keys_first,
    risk_keys.repeated as risk_keys,
    risk_keys.first_date as risk_keys_first,
    amounts.total as amount_total,
    spent.total as spend_total,
    apart.dates as spend_dates_apart,
    apart.first_date as spend_dates_apart_first,
    flags.expected as flagged_expected,
    flagged.actual as flagged_actual,
    absent.spend_days as spend_dates_absent,
    absent.spend_first as spend_dates_absent_first,
    absent.usage_days as usage_dates_absent,
    absent.usage_first as usage_dates_absent_first,
    absent.risk_days as risk_dates_absent,
    absent.risk_first as risk_dates_absent_first
from (
    select count(*) as repeated, min(event_date) as first_date
    from (select user_id, event_date from gold_spend group by user_id, event_date having count(*) > 1) keys
) spend_keys
cross join (
    select count(*) as repeated, min(event_date) as first_date
    from (select product_id, event_date from gold_usage group by product_id, event_date having count(*) > 1) keys
) usage_keys
cross join (
    select count(*) as repeated, min(event_date) as first_date
    from (
        select transaction_id, event_date from gold_risk where transaction_id is not null
        group by transaction_id, event_date having count(*) > 1
    ) keys
) risk_keys
cross join (select coalesce(sum(amount), 0) as total from latest where user_id is not null) amounts
cross join (select coalesce(sum("Total_spent_per_user"), 0) as total from gold_spend) spent
cross join (
    -- By date; a sum that is no number is apart from everything. The last digits of large sums depend on their order.
    select count(*) as dates, min(coalesce(of_silver.event_date, of_gold.event_date)) as first_date
    from (
        select event_date, coalesce(sum(amount), 0) as amount from latest where user_id is not null group by event_date
    ) of_silver
    full join (
        select event_date, coalesce(sum("Total_spent_per_user"), 0) as spend from gold_spend group by event_date
    ) of_gold on of_silver.event_date = of_gold.event_date
    where not coalesce(amount - amount = 0 and spend - spend = 0
        and abs(amount - spend) <= ${tolerance} + abs(amount) * 1e-12, false)
) apart
cross join (
    select count(*) as expected from latest
    where lower(trim(risk_level)) = ${risk_level} and usage_cost_ratio < ${threshold}
) flags
cross join (select count(*) as actual from gold_risk where is_high_risk_txn) flagged
cross join (
    select
        coalesce(sum(case when users > 0 and in_spend.event_date is null then 1 else 0 end), 0) as spend_days,
        min(case when users > 0 and in_spend.event_date is null then days.event_date end) as spend_first,
        coalesce(sum(case when products > 0 and in_usage.event_date is null then 1 else 0 end), 0) as usage_days,
        min(case when products > 0 and in_usage.event_date is null then days.event_date end) as usage_first,
        coalesce(sum(case when in_risk.event_date is null and not ${flagged_only} then 1 else 0 end), 0) as risk_days,
        min(case when in_risk.event_date is null and not ${flagged_only} then days.event_date end) as risk_first
    from (
        select event_date, count(user_id) as users, count(product_id) as products from latest group by event_date
    ) days
    left join (select distinct event_date from gold_spend) in_spend on days.event_date = in_spend.event_date
    left join (select distinct event_date from gold_usage) in_usage on days.event_date = in_usage.event_date
    left join (select distinct event_date from gold_risk) in_risk on days.event_date = in_risk.event_date
) absent
