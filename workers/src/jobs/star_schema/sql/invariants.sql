-- What must hold between the ten tables, as figures side by side; the job compares them. Keys are counted by groups, which spill;
-- sets do not. Source: pipelines.md 3.4.
with events as (
    select
        count(*) as fact_events_rows,
        (select count(event_id) from (select event_id from fact_events group by event_id) as k) as fact_events_ids
    from fact_events
),
transactions as (
    select
        count(*) as fact_transactions_rows,
        (select count(tx_id) from (select tx_id from fact_transactions group by tx_id) as k) as fact_transactions_ids,
        sum(case when tx_date is null then 1 else 0 end) as dateless_rows,
        cast(sum(case when tx_date is not null then cast(amount as decimal(38, 9)) end) as double) as dated_amount,
        cast(sum(case when user_id is not null then cast(amount as decimal(38, 9)) end) as double) as user_amount
    from fact_transactions
),
revenue as (
    select
        coalesce(sum(transaction_count), 0) as revenue_transactions,
        cast(sum(cast(total_revenue as decimal(38, 9))) as double) as revenue_total
    from daily_revenue
),
lifetime as (
    select
        count(*) as ltv_rows,
        (select count(user_id) from (select user_id from user_ltv group by user_id) as k) as ltv_users,
        cast(sum(cast(total_revenue as decimal(38, 9))) as double) as ltv_total
    from user_ltv
),
activity as (
    select
        coalesce(sum(events_count), 0) as activity_events,
        coalesce(sum(transactions_count), 0) as activity_transactions
    from fact_user_activity
),
dated as (
    select
        (select count(*) from fact_events where user_id is not null and event_date is not null) as dated_user_events,
        (select count(*) from fact_transactions where user_id is not null and tx_date is not null)
            as dated_user_transactions
),
active as (
    select
        sum(
            case
                when total_active_users >= event_active_users and total_active_users >= tx_active_users
                    and total_active_users <= event_active_users + tx_active_users then 0
                else 1
            end
        ) as active_days_wrong
    from daily_active_users
),
users as (
    select
        count(*) as dim_users_rows,
        (select count(user_id) from (select user_id from dim_users group by user_id) as k) as dim_users_ids
    from dim_users
)
select
    fact_events_rows, fact_events_ids,
    fact_transactions_rows, fact_transactions_ids,
    dateless_rows, revenue_transactions,
    coalesce(dated_amount, 0.0) as dated_amount, coalesce(revenue_total, 0.0) as revenue_total,
    coalesce(user_amount, 0.0) as user_amount, coalesce(ltv_total, 0.0) as ltv_total,
    ltv_rows, ltv_users,
    activity_events, dated_user_events,
    activity_transactions, dated_user_transactions,
    coalesce(active_days_wrong, 0) as active_days_wrong,
    dim_users_rows, dim_users_ids
from events
cross join transactions
cross join revenue
cross join lifetime
cross join activity
cross join dated
cross join active
cross join users
