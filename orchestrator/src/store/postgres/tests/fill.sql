-- Rows enough that an index is worth its name.
insert into state_machine
select 'm' || n, 'm' || n, 'STANDARD', 'ACTIVE', now(), gen_random_uuid(), '[]' from generate_series(1, 500) as n;
insert into revision
select revision_id, arn, 1, '{}', 'r', '{}', '{}', 'null', now() from state_machine;
insert into execution
select
    gen_random_uuid(), 'e' || n, 'e' || n, 'm' || n % 50, gen_random_uuid(), 1,
    case n % 10 when 0 then 'RUNNING' when 1 then 'FAILED' else 'SUCCEEDED' end,
    '{}', null, null, null, now() + n * interval '1 second', case when n % 10 > 0 then now() end, now(), 5, 5, null,
    'p' || n % 20, '2024-12-' || n % 30, 'api'
from generate_series(1, 5000) as n;
insert into journal select id, n, n, n, n, '[]' from execution, generate_series(1, 5) as n;
insert into task (
    execution_id, task_id, queue, state, attempt, resource, input, status, token, scheduled_at, visible_at, started_at,
    lease_expires_at
)
select
    id, n, 'q' || n, 's', 1, '{}', '{}',
    case when n > 1 then 'STARTED' else 'SCHEDULED' end,
    't', now(), now() + random() * interval '1 hour',
    case when n > 1 then now() end,
    case when n > 1 then now() + random() * interval '1 hour' end
from execution, generate_series(1, 2) as n;
insert into timer select id, 1, 'WAIT', now(), now() + random() * interval '1 hour' from execution;
insert into log_line select id, n, n % 3, now(), 'stdout', 'x' from execution, generate_series(1, 5) as n;
insert into ledger
select 'p' || p, (date '2024-01-01' + n)::text, 'SUCCEEDED', null, gen_random_uuid(), 'e', 1, 1, 1, '{}', now(), now()
from generate_series(1, 20) as p, generate_series(1, 300) as n;
insert into outbox
select
    gen_random_uuid(), 'sns', '{}', case when n % 20 = 0 then 'PENDING' else 'SENT' end, 0, null,
    now() + n * interval '1 second', now() + n * interval '1 second'
from generate_series(1, 5000) as n;
analyze;
