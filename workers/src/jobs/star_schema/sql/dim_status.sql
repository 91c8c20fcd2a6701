-- The statuses of transactions, case kept.
select distinct status
from transactions1
where status is not null
order by status
