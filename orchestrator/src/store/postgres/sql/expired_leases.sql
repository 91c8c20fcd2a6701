-- A task that was handed out often enough is only returned: the engine fails it. A wait for what was submitted already
-- may be resumed any number of times: nothing is done again.
with expired as (
    select execution_id, task_id, redeliveries, submission is not null as is_wait
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
        redeliveries = task.redeliveries + case when expired.is_wait then 0 else 1 end,
        worker = null,
        started_at = null,
        lease_expires_at = null,
        visible_at = statement_timestamp()
    from expired
    where
        task.execution_id = expired.execution_id
        and task.task_id = expired.task_id
        and (expired.is_wait or expired.redeliveries + 1 < $2)
    returning task.*
)
select * from put_back
union all
select task.*
from task
join expired using (execution_id, task_id)
where not expired.is_wait and expired.redeliveries + 1 >= $2
