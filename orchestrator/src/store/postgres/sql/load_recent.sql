-- One statement sees one moment: row, snapshot and journal fit together.
select
    execution.*,
    snapshot.event_id as snapshot_event_id,
    snapshot.public_id as snapshot_public_id,
    snapshot.state as snapshot_state,
    array(
        select events
        from journal
        where
            journal.execution_id = $1
            and journal.first_public_id > coalesce(snapshot.public_id, -1)
            and journal.last_event_id > coalesce(snapshot.event_id, 0)
        order by first_public_id, first_event_id
    ) as journal
from execution
left join snapshot on snapshot.execution_id = execution.id
where execution.id = $1
