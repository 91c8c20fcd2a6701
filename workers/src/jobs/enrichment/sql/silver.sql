-- A piece of a raw file with what the lookups know. A key that a lookup has twice counts once: its greatest row.
with one_user as (
    select user_id, country, user_status
    from (
        select *, row_number() over (
            partition by user_id order by country desc nulls last, user_status desc nulls last) as place
        from users where user_id is not null
    ) ranked where place = 1
),
one_product as (
    select product_id, product_name, category, cast(price as double) as price
    from (
        select *, row_number() over (
            partition by product_id
            order by product_name desc nulls last, category desc nulls last, price desc nulls last) as place
        from products where product_id is not null
    ) ranked where place = 1
),
one_plan as (
    select subscription_type, cast(monthly_cost as double) as monthly_cost, churn_risk,
        cast(plan_duration as int) as plan_duration
    from (
        select *, row_number() over (
            partition by subscription_type
            order by monthly_cost desc nulls last, churn_risk desc nulls last, plan_duration desc nulls last) as place
        from plans where subscription_type is not null
    ) ranked where place = 1
),
one_risk as (
    select lower(ip_hash) as ip_hash, risk_level, cast(risk_score as double) as risk_score, location
    from (
        select *, row_number() over (
            partition by lower(ip_hash)
            order by risk_level desc nulls last, risk_score desc nulls last, location desc nulls last) as place
        from risks where ip_hash is not null
    ) ranked where place = 1
)
select
    raw.transaction_id,
    raw.event_time,
    raw.user_id,
    raw.product_id,
    raw.subscription_type,
    raw.amount,
    raw.location,
    raw.device_id,
    raw.payment_method,
    raw.currency,
    raw.is_new_user,
    raw.referral_code,
    raw.session_id,
    raw.hash_ip,
    raw.hash_card_number,
    raw.card_number,
    raw.event_date,
    one_user.country,
    one_user.user_status,
    one_user.user_id is null as missing_user,
    one_product.product_name,
    one_product.category,
    one_product.price,
    one_product.product_id is null as missing_product,
    one_plan.monthly_cost,
    one_plan.churn_risk,
    one_plan.plan_duration,
    one_plan.subscription_type is null as missing_subscription,
    one_risk.risk_level,
    one_risk.risk_score,
    one_risk.location as ip_risk_location,
    one_risk.ip_hash is null as missing_ip,
    -- Nothing by nothing is unknown, not an error.
    case when one_plan.monthly_cost <> 0 then raw.amount / one_plan.monthly_cost end as usage_cost_ratio
from raw
left join one_user on raw.user_id = one_user.user_id
left join one_product on raw.product_id = one_product.product_id
left join one_plan on raw.subscription_type = one_plan.subscription_type
left join one_risk on raw.hash_ip = one_risk.ip_hash
order by raw.line
