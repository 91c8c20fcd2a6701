-- Machines that were deleted go with their last running execution; their revisions stay for the histories.
delete from state_machine
where
    status = 'DELETING'
    and not exists (
        select 1 from execution
        where execution.state_machine_arn = state_machine.arn and execution.status = 'RUNNING'
    )
