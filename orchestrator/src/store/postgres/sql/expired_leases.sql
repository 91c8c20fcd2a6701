-- A task that was handed out often enough is only returned: the engine fails it.
with expired as (
    select execution_id, task_id, redeliveries
    from task
    where lease_expires_at <= statement_timestamp() and status = 'STARTED'
    order by lease_expires_at
    limit $1
    for update skip locked
),
put_back as (
    update task
    set
        status = 'SCHEDULED',
        redeliveries = task.redeliveries + 1,
        worker = null,
        started_at = null,
        lease_expires_at = null,
        visible_at = statement_timestamp()
    from expired
    where
        task.execution_id = expired.execution_id
        and task.task_id = expired.task_id
        and expired.redeliveries + 1 < $2
    returning task.*
)
select * from put_back
union all
select task.*
from task
join expired using (execution_id, task_id)
where expired.redeliveries + 1 >= $2
