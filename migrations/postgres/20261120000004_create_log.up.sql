create table log_line (
    execution_id uuid not null,
    number bigint not null,
    task_id bigint not null,
    at timestamptz not null,
    stream text not null,
    text text not null,
    -- log of an execution
    constraint log_line_pkey primary key (execution_id, number)
);

-- log of a task
create index log_line_of_task on log_line (execution_id, task_id, number);

create table report (
    execution_id uuid not null,
    task_id bigint not null,
    state text not null,
    report text not null,
    at timestamptz not null,
    -- reports
    constraint report_pkey primary key (execution_id, task_id)
);
