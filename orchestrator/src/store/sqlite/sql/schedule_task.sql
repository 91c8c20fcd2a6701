insert into task (
    execution_id, task_id, queue, state, attempt, resource, input, status, token, worker, scheduled_at, visible_at,
    started_at, heartbeat_seconds, lease_seconds, lease_expires_at
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12, ?13, ?14, ?15)
