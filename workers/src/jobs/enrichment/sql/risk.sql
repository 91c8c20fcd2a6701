-- All transactions with their flag, or the flagged ones only. An unknown level or ratio is no risk.
select *
from (
    select latest.*,
        coalesce(lower(trim(risk_level)) = ${risk_level} and usage_cost_ratio < ${threshold}, false) as is_high_risk_txn
    from latest
) flagged
where is_high_risk_txn or not ${flagged_only}
