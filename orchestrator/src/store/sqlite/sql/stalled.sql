select id
from execution
where
    status = 'RUNNING'
    and turn_at <= ?1
    and not exists (select 1 from task where task.execution_id = execution.id)
    and not exists (select 1 from timer where timer.execution_id = execution.id)
order by turn_at, id
limit ?2
