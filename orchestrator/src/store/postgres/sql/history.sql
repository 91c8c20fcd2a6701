-- Public events `$2 ..= $3`, whichever way they are read: ids have no gaps, so a page is a range.
-- The row that holds `$2` is the last one that begins at or before it; rows without public events are left out.
select events
from journal
where
    execution_id = $1
    and first_public_id >= coalesce(
        (
            select first_public_id
            from journal
            where execution_id = $1 and first_public_id <= $2
            order by first_public_id desc
            limit 1
        ),
        0
    )
    and first_public_id <= $3
    and last_public_id >= first_public_id
order by first_public_id, first_event_id
