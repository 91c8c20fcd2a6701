with next as (
    select execution_id, event_id, kind, visible_at
    from timer
    where visible_at <= statement_timestamp()
    order by visible_at
    limit $1
    for update skip locked
)
update timer
set visible_at = statement_timestamp() + $2 * interval '1 millisecond'
from next
where timer.execution_id = next.execution_id and timer.event_id = next.event_id and timer.kind = next.kind
returning timer.execution_id, timer.event_id, timer.kind, timer.due_at, next.visible_at as waiting_since
