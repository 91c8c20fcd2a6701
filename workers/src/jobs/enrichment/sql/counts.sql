-- What a batch did, in one row.
select
    found.input_rows,
    found.bad_rows,
    found.non_finite_values,
    found.input_rows - found.bad_rows - kept.latest_rows as duplicates,
    kept.null_user_rows,
    kept.null_product_rows,
    mixed.mixed_currency_groups,
    spend_count.spend_rows,
    usage_count.usage_rows,
    risk_count.risk_rows,
    risk_count.flagged_rows
from (
    select count(*) as input_rows, count(bad_reason) as bad_rows, coalesce(sum(non_finite), 0) as non_finite_values
    from source
) found
cross join (
    select count(*) as latest_rows, count(*) - count(user_id) as null_user_rows,
        count(*) - count(product_id) as null_product_rows
    from latest
) kept
cross join (
    select count(*) as mixed_currency_groups
    from (
        select user_id, event_date from latest where user_id is not null
        group by user_id, event_date having count(distinct currency) > 1
    ) several
) mixed
cross join (select count(*) as spend_rows from gold_spend) spend_count
cross join (select count(*) as usage_rows from gold_usage) usage_count
cross join (
    select count(*) as risk_rows, coalesce(sum(case when is_high_risk_txn then 1 else 0 end), 0) as flagged_rows
    from gold_risk
) risk_count
