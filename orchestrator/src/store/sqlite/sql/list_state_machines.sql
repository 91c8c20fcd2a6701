select
    machine.arn, machine.name, machine.kind, machine.status, machine.created_at, machine.tags, machine.revision_id,
    revision.state_machine_arn, revision.number, revision.definition, revision.role_arn, revision.logging,
    revision.tracing, revision.encryption, revision.created_at as revision_created_at
from state_machine as machine
join revision on revision.id = machine.revision_id
where machine.status = 'ACTIVE' and (machine.created_at, machine.arn) > (?1, ?2)
order by machine.created_at, machine.arn
limit ?3
