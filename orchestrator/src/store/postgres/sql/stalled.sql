select id
from execution
where
    status = 'RUNNING'
    and turn_at <= statement_timestamp() - $1 * interval '1 millisecond'
    and not exists (select from task where task.execution_id = execution.id)
    and not exists (select from timer where timer.execution_id = execution.id)
order by turn_at, id
limit $2
