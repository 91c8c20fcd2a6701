-- A machine that is being deleted is there as long as one of its executions runs.
select
    machine.arn, machine.name, machine.kind, machine.status, machine.created_at, machine.tags, machine.revision_id,
    revision.state_machine_arn, revision.number, revision.definition, revision.role_arn, revision.logging,
    revision.tracing, revision.encryption, revision.created_at as revision_created_at
from state_machine as machine
join revision on revision.id = machine.revision_id
where
    machine.arn = ?1
    and (
        machine.status = 'ACTIVE'
        or exists (
            select 1 from execution
            where execution.state_machine_arn = machine.arn and execution.status = 'RUNNING'
        )
    )
