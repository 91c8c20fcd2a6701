-- Users, SCD type 1: the newest version of each.
select user_id, name, email, city, phone, age, updated_at
from users1
order by user_id
