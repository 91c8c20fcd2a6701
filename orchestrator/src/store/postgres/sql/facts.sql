-- What a batch of commits depends on, in one round trip; `what` says which question a row answers.
-- Nothing is locked: commit.sql checks again what may have changed since.
select 'execution' as what, id, last_event_id as number, last_public_id as public_id, null as arn
from execution
where id = any ($1::uuid[])
union all
select 'scheduled', task.execution_id, task.task_id, 0, null
from unnest($2::uuid[], $3::bigint[]) as wanted (execution_id, task_id)
join task using (execution_id, task_id)
where task.status = 'SCHEDULED'
union all
select 'held', task.execution_id, task.task_id, 0, task.token
from unnest($6::uuid[], $7::bigint[]) as wanted (execution_id, task_id)
join task using (execution_id, task_id)
where task.token is not null
union all
select 'active', null, 0, 0, arn
from state_machine
where arn = any ($4::text[]) and status = 'ACTIVE'
union all
select 'taken', id, 0, 0, arn
from execution
where arn = any ($5::text[])
