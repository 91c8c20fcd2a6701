-- One row per transaction id: the newest by `created_at` (null is oldest), ties by the greatest row, column by column
-- as in silver. Source: pipelines.md 3.2, steps 3 and 4.
--
-- An amount of 1e18 or more is taken for no number, as NaN and the infinities are: amounts are added up as decimal(38, 9),
-- since sums of decimals do not depend on the order of the rows and sums of floats do.
with parsed as (
    select
        sw_label(tx_id) as tx_key,
        sw_label(user_id) as user_key,
        case when regexp_like(sw_label(created_at), ${instant}) then sw_parse_ts(created_at) end as created,
        case when regexp_like(sw_label(delivered_at), ${instant}) then sw_parse_ts(delivered_at) end as delivered,
        try_cast(replace(sw_label(amount), ',', '') as double) as number,
        tx_id, user_id, amount, status, created_at, delivered_at, email, name, age, year, month, day
    from silver_transactions
),
ranked as (
    select
        tx_key, user_key, created, delivered, amount, status, created_at, delivered_at,
        -- NaN compares as greater than every number.
        case when abs(number) < 1e18 then number end as finite,
        row_number() over (
            partition by tx_key
            order by
                created desc nulls last,
                tx_id desc nulls last, user_id desc nulls last, amount desc nulls last, status desc nulls last,
                created_at desc nulls last, delivered_at desc nulls last, email desc nulls last,
                name desc nulls last, age desc nulls last, year desc nulls last, month desc nulls last,
                day desc nulls last
        ) as version
    from parsed
    where tx_key is not null
)
select
    tx_key as tx_id,
    user_key as user_id,
    finite as amount,
    sw_label(status) as status,
    created as created_at,
    delivered as delivered_at,
    cast(created as date) as tx_date,
    case when finite is null and sw_label(amount) is not null then 1 else 0 end as amount_failed,
    case when created is null and sw_label(created_at) is not null then 1 else 0 end as created_at_failed,
    case when delivered is null and sw_label(delivered_at) is not null then 1 else 0 end
        as delivered_at_failed
from ranked
where version = 1
