-- One row per event, with its user as known now; an unknown user leaves nulls. The event's own email is not used.
select
    e.event_id, e.user_id, e.ts, e.event_date, e.country,
    u.city as user_city, u.age as user_age, u.email as user_email
from events1 e
left join users1 u on e.user_id = u.user_id
order by e.event_date nulls last, e.event_id
