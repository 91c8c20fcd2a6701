-- Everything a batch of commits does to executions, journal, tasks and timers: one statement, so one round trip and,
-- without a transaction around it, one commit. No row is touched by two of its parts (admission.rs sees to that).
-- The counts at the end are the guard: fewer rows than planned mean that another node was faster (or that a name is
-- taken, a machine gone, a task somebody else's), and commit_conflict() undoes the whole statement. Postgres runs the
-- parts nobody reads last to first: tasks before timers, as heartbeat.sql does, so that the two do not wait for each other.
-- What stands between `-- if` and `-- end` is left out where the batch has no such changes (statement.rs).
with
-- if created
created as (
    insert into execution (
        id, arn, name, state_machine_arn, revision_id, revision_number, status, input, output, error, cause,
        started_at, stopped_at, turn_at, last_event_id, last_public_id, trace_header, pipeline, partition, started_by
    )
    select
        id, arn, name, state_machine_arn, revision_id, revision_number, status, input, output, error, cause,
        started_at, stopped_at, statement_timestamp(), last_event_id, last_public_id, trace_header, pipeline,
        partition, started_by
    from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::bigint[], $15::bigint[], $16::text[],
        $17::text[], $18::text[], $19::text[]
    ) as new (
        id, arn, name, state_machine_arn, revision_id, revision_number, status, input, output, error, cause,
        started_at, stopped_at, last_event_id, last_public_id, trace_header, pipeline, partition, started_by
    )
    where exists (
        select from state_machine where state_machine.arn = new.state_machine_arn and state_machine.status = 'ACTIVE'
    )
    on conflict do nothing
    returning 1
),
-- end
-- if advanced
advanced as (
    update execution
    set
        last_event_id = new.last_event_id,
        last_public_id = new.last_public_id,
        turn_at = statement_timestamp(),
        status = coalesce(new.status, execution.status),
        output = coalesce(new.output, execution.output),
        error = coalesce(new.error, execution.error),
        cause = coalesce(new.cause, execution.cause),
        stopped_at = coalesce(new.stopped_at, execution.stopped_at)
    from unnest(
        $20::uuid[], $21::bigint[], $22::bigint[], $23::bigint[], $24::text[], $25::text[], $26::text[], $27::text[],
        $28::timestamptz[]
    ) as new (id, expected, last_event_id, last_public_id, status, output, error, cause, stopped_at)
    where execution.id = new.id and execution.last_event_id = new.expected
    returning 1
),
-- end
-- if scheduled
scheduled as (
    insert into task (
        execution_id, task_id, queue, state, attempt, resource, input, token, heartbeat_seconds, lease_seconds, status,
        worker, scheduled_at, visible_at, started_at, lease_expires_at
    )
    select
        execution_id, task_id, queue, state, attempt, resource, input, token, heartbeat_seconds, lease_seconds,
        case when started then 'STARTED' else 'SCHEDULED' end,
        worker,
        statement_timestamp(),
        statement_timestamp(),
        case when started then statement_timestamp() end,
        case when started then statement_timestamp() + lease_seconds * interval '1 second' end
    from unnest(
        $35::uuid[], $36::bigint[], $37::text[], $38::text[], $39::bigint[], $40::text[], $41::text[], $42::text[],
        $43::bigint[], $44::bigint[], $45::boolean[], $46::text[]
    ) as new (
        execution_id, task_id, queue, state, attempt, resource, input, token, heartbeat_seconds, lease_seconds,
        started, worker
    )
),
-- end
-- if changed
changed as (
    update task
    set
        status = case when new.starts then 'STARTED' else task.status end,
        worker = case when new.starts then new.worker else task.worker end,
        token = case when new.starts then new.token else task.token end,
        started_at = case when new.starts then statement_timestamp() else task.started_at end,
        lease_seconds = case when new.ends_lease then null else task.lease_seconds end,
        lease_expires_at = case
            when new.ends_lease then null
            when new.starts then statement_timestamp() + task.lease_seconds * interval '1 second'
            else task.lease_expires_at
        end,
        submission = coalesce(new.submission, task.submission)
    from unnest($47::uuid[], $48::bigint[], $49::boolean[], $50::text[], $51::text[], $52::text[], $68::boolean[])
        as new (execution_id, task_id, starts, worker, token, submission, ends_lease)
    where
        task.execution_id = new.execution_id
        and task.task_id = new.task_id
        and (task.status = 'SCHEDULED' or not new.starts)
    returning new.starts
),
-- end
-- if timers_set
timers_set as (
    insert into timer (execution_id, event_id, kind, due_at, visible_at)
    select execution_id, event_id, kind, due_at, due_at
    from unnest($55::uuid[], $56::bigint[], $57::text[], $58::timestamptz[])
        as new (execution_id, event_id, kind, due_at)
    on conflict (execution_id, event_id, kind) do update
    set due_at = excluded.due_at, visible_at = excluded.visible_at
),
-- end
-- if timers_gone
timers_gone as (
    delete from timer
    using unnest($59::uuid[], $60::bigint[], $61::text[]) as gone (execution_id, event_id, kind)
    where
        timer.execution_id = gone.execution_id
        and timer.event_id = gone.event_id
        and timer.kind = gone.kind
),
-- end
-- if ended
timers_of_ended as (
    delete from timer where execution_id = any ($62::uuid[])
),
-- end
-- if tasks_gone
tasks_gone as (
    delete from task
    using unnest($53::uuid[], $54::bigint[]) as gone (execution_id, task_id)
    where task.execution_id = gone.execution_id and task.task_id = gone.task_id
),
-- end
-- if ended
tasks_of_ended as (
    delete from task where execution_id = any ($62::uuid[])
),
-- end
written as (
    insert into journal (execution_id, first_event_id, last_event_id, first_public_id, last_public_id, events)
    select * from unnest($29::uuid[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[], $34::text[])
)
select case
    when
        true
        -- if created
        and (select count(*) from created) = cardinality($1::uuid[])
        -- end
        -- if advanced
        and (select count(*) from advanced) = cardinality($20::uuid[])
        -- end
        -- if changed
        and (select count(*) from changed where starts) = $63::bigint
        -- end
        -- if held
        and (
            select count(*)
            from unnest($65::uuid[], $66::bigint[], $67::text[]) as held (execution_id, task_id, token)
            join task on task.execution_id = held.execution_id and task.task_id = held.task_id
            where task.token = held.token
        ) = cardinality($65::uuid[])
        -- end
        then (select count(pg_notify('stepwell', payload)) from unnest($64::text[]) as payload)
    else commit_conflict()
end
