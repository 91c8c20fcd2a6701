-- Currencies are added as they are; a user all of whose amounts are null has a null total.
select user_id, event_date, sum(amount) as "Total_spent_per_user"
from latest
where user_id is not null
group by user_id, event_date
