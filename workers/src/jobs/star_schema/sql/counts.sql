-- What preparation found, for the metrics. Source: pipelines.md 3.4, "Metrics per table".
with e as (
    select
        coalesce(sum(e.ts_failed), 0) as events_ts_failed,
        coalesce(sum(case when e.event_date is null then 1 else 0 end), 0) as events_without_date,
        coalesce(sum(case when u.user_id is null then 1 else 0 end), 0) as events_without_known_user,
        coalesce(sum(case when e.event_date is null or e.user_id is null then 1 else 0 end), 0) as events_left_out,
        coalesce(sum(case when e.user_id is null then 1 else 0 end), 0) as events_without_user
    from events1 e
    left join users1 u on e.user_id = u.user_id
),
t as (
    select
        coalesce(sum(t.amount_failed), 0) as transactions_amount_failed,
        coalesce(sum(t.created_at_failed), 0) as transactions_created_at_failed,
        coalesce(sum(t.delivered_at_failed), 0) as transactions_delivered_at_failed,
        coalesce(sum(case when t.tx_date is null then 1 else 0 end), 0) as transactions_without_date,
        coalesce(sum(case when u.user_id is null then 1 else 0 end), 0) as transactions_without_known_user,
        coalesce(sum(case when t.tx_date is null or t.user_id is null then 1 else 0 end), 0) as transactions_left_out,
        coalesce(sum(case when t.user_id is null then 1 else 0 end), 0) as transactions_without_user
    from transactions1 t
    left join users1 u on t.user_id = u.user_id
),
u as (
    select coalesce(sum(updated_at_failed), 0) as users_updated_at_failed from users1
)
select * from e cross join t cross join u
