-- One row per event id: the newest by `ts` (null is oldest), ties by the greatest row, column by column as in silver.
-- Rows without an id are in quarantine. Source: pipelines.md 3.2, steps 3 and 4.
with parsed as (
    select
        sw_label(event_id) as event_key,
        sw_label(user_id) as user_key,
        case when regexp_like(sw_label(ts), ${instant}) then sw_parse_ts(ts) end as event_ts,
        event_id, user_id, ts, age, country, email, message, name, price, temperature, amount, year, month, day
    from silver_events
),
ranked as (
    select
        event_key, user_key, event_ts, ts, country,
        row_number() over (
            partition by event_key
            order by
                event_ts desc nulls last,
                event_id desc nulls last, user_id desc nulls last, ts desc nulls last, age desc nulls last,
                country desc nulls last, email desc nulls last, message desc nulls last, name desc nulls last,
                price desc nulls last, temperature desc nulls last, amount desc nulls last, year desc nulls last,
                month desc nulls last, day desc nulls last
        ) as version
    from parsed
    where event_key is not null
)
select
    event_key as event_id,
    user_key as user_id,
    event_ts as ts,
    cast(event_ts as date) as event_date,
    sw_label(country) as country,
    case when event_ts is null and sw_label(ts) is not null then 1 else 0 end as ts_failed
from ranked
where version = 1
