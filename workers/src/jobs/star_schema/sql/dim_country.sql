-- The countries events came from.
select distinct country
from events1
where country is not null
order by country
