-- One row per transaction, with its user as known now; an unknown user leaves nulls.
select
    t.tx_id, t.user_id, t.amount, t.status, t.created_at, t.delivered_at, t.tx_date,
    u.city as user_city, u.age as user_age, u.email as user_email
from transactions1 t
left join users1 u on t.user_id = u.user_id
order by t.tx_date nulls last, t.tx_id
