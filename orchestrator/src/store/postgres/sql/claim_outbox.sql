with next as (
    select id, due_at
    from outbox
    where delivery = 'PENDING' and due_at <= statement_timestamp()
    order by due_at, id
    limit $1
    for update skip locked
)
update outbox
set due_at = statement_timestamp() + $2 * interval '1 millisecond'
from next
where outbox.id = next.id
returning outbox.*, next.due_at as waiting_since
