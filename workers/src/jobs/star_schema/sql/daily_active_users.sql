-- Distinct known-by-id users per day: by events, by transactions, by either. A day with one source has 0 for the other.
with seen as (
    select event_date as d, user_id, 1 as by_event, 0 as by_transaction from events1 where event_date is not null
    union all
    select tx_date as d, user_id, 0 as by_event, 1 as by_transaction from transactions1 where tx_date is not null
),
users_of_days as (
    select d, user_id, max(by_event) as by_event, max(by_transaction) as by_transaction
    from seen
    group by d, user_id
)
select
    d as date,
    cast(sum(case when user_id is null then 0 else by_event end) as bigint) as event_active_users,
    cast(sum(case when user_id is null then 0 else by_transaction end) as bigint) as tx_active_users,
    count(user_id) as total_active_users
from users_of_days
group by d
order by d
