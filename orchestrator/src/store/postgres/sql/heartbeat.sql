-- Only the holder of the token keeps a started task alive.
with alive as (
    update task
    set lease_expires_at = statement_timestamp() + lease_seconds * interval '1 second'
    where execution_id = $1 and task_id = $2 and token = $3 and status = 'STARTED'
    returning heartbeat_seconds
),
moved as (
    update timer
    set
        due_at = statement_timestamp() + alive.heartbeat_seconds * interval '1 second',
        visible_at = statement_timestamp() + alive.heartbeat_seconds * interval '1 second'
    from alive
    where
        timer.execution_id = $1
        and timer.event_id = $2
        and timer.kind = 'HEARTBEAT'
        and alive.heartbeat_seconds is not null
)
select count(*) from alive
