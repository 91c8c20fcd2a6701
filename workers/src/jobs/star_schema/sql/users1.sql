-- One row per user id: the newest by `updated_at` (null is oldest), ties by the greatest row, column by column as in
-- silver. All joins use this table. Source: pipelines.md 3.2, step 5.
with parsed as (
    select
        sw_label(user_id) as user_key,
        case when regexp_like(sw_label(updated_at), ${instant}) then sw_parse_ts(updated_at) end as updated,
        user_id, name, email, phone, city, age, updated_at, year, month, day
    from silver_users
),
ranked as (
    select
        user_key, updated, name, email, phone, city, age, updated_at,
        row_number() over (
            partition by user_key
            order by
                updated desc nulls last,
                user_id desc nulls last, name desc nulls last, email desc nulls last, phone desc nulls last,
                city desc nulls last, age desc nulls last, updated_at desc nulls last, year desc nulls last,
                month desc nulls last, day desc nulls last
        ) as version
    from parsed
    where user_key is not null
)
select
    user_key as user_id,
    sw_label(name) as name,
    sw_label(email) as email,
    sw_label(city) as city,
    sw_label(phone) as phone,
    sw_label(age) as age,
    updated as updated_at,
    case when updated is null and sw_label(updated_at) is not null then 1 else 0 end as updated_at_failed
from ranked
where version = 1
