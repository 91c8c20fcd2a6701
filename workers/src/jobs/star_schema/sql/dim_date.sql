-- The dates on which something happened, with the names people filter by.
with dates as (
    select event_date as d from events1 where event_date is not null
    union
    select tx_date as d from transactions1 where tx_date is not null
),
parts as (
    select
        d,
        cast(date_part('year', d) as bigint) as y,
        cast(date_part('month', d) as bigint) as m,
        cast(date_part('day', d) as bigint) as dd,
        -- The year for the weekday's formula: January and February belong to the year before.
        cast(date_part('year', d) as bigint) - case when date_part('month', d) < 3 then 1 else 0 end as wy,
        cast(date_part('week', d) as int) as week
    from dates
),
named as (
    select
        d, y, m, dd, week,
        -- Sakamoto's formula, 0 for Sunday. Engines number `dow` differently; this they all compute alike.
        (
            wy + cast(floor(wy / 4.0) as bigint) - cast(floor(wy / 100.0) as bigint)
            + cast(floor(wy / 400.0) as bigint) + dd
            + case m
                when 1 then 0 when 2 then 3 when 3 then 2 when 4 then 5 when 5 then 0 when 6 then 3
                when 7 then 5 when 8 then 1 when 9 then 4 when 10 then 6 when 11 then 2 else 4
            end
        ) % 7 as weekday
    from parts
)
select
    d as date,
    cast(y as int) as year,
    cast(m as int) as month,
    cast(dd as int) as day,
    case weekday
        when 0 then 'Sun' when 1 then 'Mon' when 2 then 'Tue' when 3 then 'Wed' when 4 then 'Thu' when 5 then 'Fri'
        else 'Sat'
    end as day_of_week,
    week as week_of_year,
    case m
        when 1 then 'January' when 2 then 'February' when 3 then 'March' when 4 then 'April' when 5 then 'May'
        when 6 then 'June' when 7 then 'July' when 8 then 'August' when 9 then 'September' when 10 then 'October'
        when 11 then 'November' else 'December'
    end as month_name
from named
order by d
