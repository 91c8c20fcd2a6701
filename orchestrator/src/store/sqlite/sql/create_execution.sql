insert into execution (
    id, arn, name, state_machine_arn, revision_id, revision_number, status, input, output, error, cause, started_at,
    stopped_at, turn_at, last_event_id, last_public_id, trace_header, pipeline, partition, started_by
)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
