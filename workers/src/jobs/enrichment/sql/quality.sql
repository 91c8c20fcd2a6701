-- Silver's quality rules: how many rows break each, in one row; `<column>__<rule>`. Reporting only.
select
    count(*) as total,
    count(*) - count(transaction_id) as transaction_id__null,
    count(*) - count(event_time) as event_time__null,
    count(*) - count(user_id) as user_id__null,
    count(*) - count(product_id) as product_id__null,
    count(*) - count(subscription_type) as subscription_type__null,
    count(*) - count(amount) as amount__null,
    count(*) - count(location) as location__null,
    count(*) - count(device_id) as device_id__null,
    count(*) - count(payment_method) as payment_method__null,
    count(*) - count(currency) as currency__null,
    count(*) - count(is_new_user) as is_new_user__null,
    count(*) - count(referral_code) as referral_code__null,
    count(*) - count(session_id) as session_id__null,
    count(*) - count(hash_ip) as hash_ip__null,
    count(*) - count(hash_card_number) as hash_card_number__null,
    count(*) - count(card_number) as card_number__null,
    count(*) - count(event_date) as event_date__null,
    count(*) - count(country) as country__null,
    count(*) - count(user_status) as user_status__null,
    count(*) - count(missing_user) as missing_user__null,
    count(*) - count(product_name) as product_name__null,
    count(*) - count(category) as category__null,
    count(*) - count(price) as price__null,
    count(*) - count(missing_product) as missing_product__null,
    count(*) - count(monthly_cost) as monthly_cost__null,
    count(*) - count(churn_risk) as churn_risk__null,
    count(*) - count(plan_duration) as plan_duration__null,
    count(*) - count(missing_subscription) as missing_subscription__null,
    count(*) - count(risk_level) as risk_level__null,
    count(*) - count(risk_score) as risk_score__null,
    count(*) - count(ip_risk_location) as ip_risk_location__null,
    count(*) - count(missing_ip) as missing_ip__null,
    count(*) - count(usage_cost_ratio) as usage_cost_ratio__null,
    coalesce(sum(case when amount is null or amount > 0 then 0 else 1 end), 0) as amount__not_positive,
    coalesce(sum(case when currency is null or regexp_like(currency, '^[A-Z]{3}$') then 0 else 1 end), 0)
        as currency__format,
    coalesce(sum(case when hash_ip is null or regexp_like(hash_ip, '^[0-9a-f]{64}$') then 0 else 1 end), 0)
        as hash_ip__format,
    -- Numbers come masked.
    coalesce(sum(case when card_number is null or regexp_like(card_number, '^[*]{4} [*]{4} [*]{4} [0-9]{4}$')
        then 0 else 1 end), 0) as card_number__format,
    coalesce(sum(case when usage_cost_ratio > 0 then 0 else 1 end), 0) as usage_cost_ratio__not_positive,
    -- Scores go from 1 to 10, high is 8 and above.
    coalesce(sum(case when usage_cost_ratio < ${threshold} and risk_score >= 8 then 1 else 0 end), 0)
        as usage_cost_ratio__high_risk_low_usage,
    coalesce(sum(case when amount > 0 and monthly_cost is null then 1 else 0 end), 0)
        as monthly_cost__absent_with_amount,
    coalesce(sum(case when amount > 0 and currency is null then 1 else 0 end), 0) as currency__absent_with_amount
from source
where bad_reason is null
