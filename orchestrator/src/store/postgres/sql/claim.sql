-- A reservation, not a start: the commit that follows starts the task, so this need not be durable.
-- Each queue is walked along its index, whatever its backlog, and what another claim holds is skipped.
with next as (
    select waiting.execution_id, waiting.task_id, waiting.visible_at
    from unnest($1::text[]) as wanted (queue)
    cross join lateral (
        select execution_id, task_id, visible_at
        from task
        where task.queue = wanted.queue and status = 'SCHEDULED' and visible_at <= statement_timestamp()
        order by visible_at, execution_id, task_id
        limit $2
        for update skip locked
    ) as waiting
    order by waiting.visible_at, waiting.execution_id, waiting.task_id
    limit $2
)
update task
set visible_at = statement_timestamp() + $3 * interval '1 millisecond'
from next
where task.execution_id = next.execution_id and task.task_id = next.task_id
returning task.*, next.visible_at as waiting_since
