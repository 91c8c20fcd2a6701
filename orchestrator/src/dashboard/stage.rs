//! A memory store with executions of the sample machine, made by the interpreter itself, for tests of whole pages.

use std::collections::VecDeque;
use std::sync::Arc;

use asl::execution::{Identity, Limits};
use asl::{Command, Execution, Failure, StateMachine, Status, Stimulus, TaskId, Timestamp, Turn};
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

use super::sample::{DEFINITION, arn};
use crate::store::{
    Commit, CommitResult, CrawlTable, End, ExecutionRecord, ExecutionStatus, LedgerChange, LogLine, MemoryStore,
    NewExecution, NewOutboxMessage, NewTask, Outcome, PipelineRecord, ReportRecord, RevisionRecord, StateMachineRecord,
    StateMachineStatus, StateMachineType, Store, TaskChange, TaskStart, WorkerRecord,
};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:daily-prices";

const SHEET: &str = r#"description = "Prices and indicators of the day, from raw files to the catalog"
tables = ["prices", "indicators", "quarantine"]

[schedule]
cron = "0 6 * * 1-5"
time_zone = "Europe/Berlin"
"#;

/// What a task comes to.
pub enum Act {
    /// It succeeds after so many milliseconds.
    Succeed(i64, Value),
    /// It fails after so many milliseconds.
    Fail(i64, &'static str, String),
    /// Somebody has it, and the play ends here.
    Hang,
    /// Nobody takes it, and the play ends here.
    Wait,
}

/// The stage.
pub struct Stage {
    /// Where everything ends up.
    pub store: MemoryStore,
    clock: Arc<Mutex<Timestamp>>,
    machine: StateMachine,
}

impl Stage {
    /// A store with the machine, at `now`, but without a pipeline.
    pub async fn new(now: Timestamp) -> Self {
        let clock = Arc::new(Mutex::new(now));
        let seen = clock.clone();
        let store = MemoryStore::with_clock(Arc::new(move || *seen.lock()));
        let revision = RevisionRecord {
            id: Uuid::from_u128(7),
            state_machine_arn: MACHINE.to_owned(),
            number: 7,
            definition: DEFINITION.to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
            logging: Value::Null,
            tracing: Value::Null,
            encryption: Value::Null,
            created_at: now,
        };
        let machine = StateMachineRecord {
            arn: MACHINE.to_owned(),
            name: "daily-prices".to_owned(),
            kind: StateMachineType::Standard,
            status: StateMachineStatus::Active,
            created_at: now,
            revision,
            tags: json!([]),
        };
        store.create_state_machine(&machine).await.unwrap();
        Self { store, clock, machine: StateMachine::parse(DEFINITION, false).unwrap() }
    }

    /// Adds the pipeline.
    pub async fn pipeline(&self) {
        let record = PipelineRecord {
            name: "daily-prices".to_owned(),
            state_machine_arn: MACHINE.to_owned(),
            sheet: SHEET.to_owned(),
            updated_at: self.now(),
        };
        self.store.put_pipeline(&record).await.unwrap();
    }

    /// Adds a worker that serves everything.
    pub async fn worker(&self, name: &str) {
        let about = json!({
            "version": "0.1.0", "pid": 4711, "host": "vm-1", "slots": 4, "running": 1,
            "activities": ["preflight", "guard", "daily-prices-compaction", "daily-prices-transform", "market-indicators"]
        });
        let worker = WorkerRecord { name: name.to_owned(), about, seen_at: self.now() };
        self.store.put_worker(&worker).await.unwrap();
    }

    /// The time on stage.
    pub fn now(&self) -> Timestamp {
        *self.clock.lock()
    }

    /// Lets time pass.
    pub fn pass(&self, millis: i64) {
        let mut clock = self.clock.lock();
        *clock = clock.plus_millis(millis);
    }

    /// Plays an execution; `act` says what each attempt of a state comes to. The name of the execution is its day.
    pub async fn play(&self, ds: &str, act: impl Fn(&str, u64) -> Act) -> ExecutionRecord {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, ds.as_bytes());
        let input = json!({ "days": [{ "ds": ds }], "changed": true });
        let identity = Identity {
            id: id.as_u128(),
            arn: arn(ds),
            name: ds.to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
            state_machine_arn: MACHINE.to_owned(),
            state_machine_name: "daily-prices".to_owned(),
            state_machine_version_arn: None,
            state_machine_alias_arn: None,
        };
        let mut play = Play { stage: self, id, ds: ds.to_owned(), execution: None, stimuli: VecDeque::new() };
        play.stimuli.push_back(Stimulus::Start { identity: Box::new(identity), input: Arc::new(input) });
        while let Some(stimulus) = play.stimuli.pop_front() {
            play.turn(&stimulus, &act).await;
        }
        self.store.execution_by_id(id).await.unwrap().unwrap()
    }
}

struct Play<'a> {
    stage: &'a Stage,
    id: Uuid,
    ds: String,
    execution: Option<Execution>,
    stimuli: VecDeque<Stimulus>,
}

impl Play<'_> {
    async fn turn(&mut self, stimulus: &Stimulus, act: &impl Fn(&str, u64) -> Act) {
        if let Stimulus::TimerFired { .. } = stimulus {
            self.stage.pass(3_000);
        }
        let now = self.stage.now();
        let turn = Turn { now, seed: [3; 32], limits: Limits::default(), region: "us-east-1".into() };
        let decision = asl::decide(&self.stage.machine, self.execution.as_ref(), stimulus, &turn).unwrap();
        let Some(execution) = decision.execution else { return };
        let mut commit = Commit {
            execution: self.id,
            expected: self.execution.as_ref().map_or(0, |execution| execution.last_event_id),
            events: decision.events,
            ..Commit::default()
        };
        if self.execution.is_none() {
            commit.create = Some(Box::new(NewExecution { record: self.record(&execution), exclusive: false }));
            commit.ledger.push(LedgerChange::Begin {
                pipeline: "daily-prices".to_owned(),
                partition: self.ds.clone(),
                execution: self.id,
                execution_arn: arn(&self.ds),
                at: now,
            });
        }
        if let Stimulus::TaskSucceeded { task, .. } | Stimulus::TaskFailed { task, .. } = stimulus {
            commit.task_changes.push(TaskChange::Gone { task: *task });
        }
        let mut scheduled = Vec::new();
        for command in decision.commands {
            match command {
                Command::ScheduleTask(task) => {
                    commit.tasks.push(NewTask {
                        task: task.task,
                        queue: format!("arn:aws:states:us-east-1:123456789012:activity:{}", job(&task.input)),
                        state: task.state.to_string(),
                        attempt: task.attempt,
                        resource: task.resource.clone(),
                        input: task.input.to_string(),
                        token: None,
                        heartbeat_seconds: None,
                        lease_seconds: Some(60),
                        started: None,
                    });
                    scheduled.push(task);
                }
                Command::SetTimer { timer, .. } if timer.kind == asl::TimerKind::Retry => {
                    self.stimuli.push_back(Stimulus::TimerFired { timer });
                }
                _ => {}
            }
        }
        self.end(&mut commit, &execution, now);
        let results = self.stage.store.commit(vec![commit]).await.unwrap();
        assert!(matches!(results[..], [CommitResult::Committed]), "{results:?}");
        self.execution = Some(execution);
        for task in scheduled {
            self.perform(task.task, &task.state, act(&task.state, task.attempt)).await;
        }
    }

    async fn perform(&mut self, task: TaskId, state: &str, act: Act) {
        if matches!(act, Act::Wait) {
            return;
        }
        self.stage.pass(90);
        let token = asl::TaskToken::new(self.id.as_u128(), task, [1; 16]);
        let start = TaskStart { worker: Some("w-2".to_owned()), token };
        let started = Stimulus::TaskStarted { task, worker: Some("w-2".to_owned()) };
        let turn = Turn { now: self.stage.now(), seed: [3; 32], limits: Limits::default(), region: "us-east-1".into() };
        let before = self.execution.as_ref().expect("it was scheduled").clone();
        let decision = asl::decide(&self.stage.machine, Some(&before), &started, &turn).unwrap();
        let commit = Commit {
            execution: self.id,
            expected: before.last_event_id,
            events: decision.events,
            task_changes: vec![TaskChange::Start { task, start }],
            ..Commit::default()
        };
        self.stage.store.commit(vec![commit]).await.unwrap();
        self.execution = decision.execution.or(self.execution.take());
        self.lines(task, &[&format!("{state} of {} begins", self.ds), "reading s3://raw/market/prices/interval=1d/"])
            .await;
        match act {
            Act::Succeed(millis, output) => {
                self.stage.pass(millis);
                self.report(task, state, "SUCCEEDED").await;
                self.stimuli.push_front(Stimulus::TaskSucceeded { task, output: Arc::new(output) });
            }
            Act::Fail(millis, error, cause) => {
                self.stage.pass(millis);
                self.lines(
                    task,
                    &[
                        "2500 records of 4 symbols",
                        "critical: negative_price 300, null_symbol 11",
                        &json!({ "level": "ERROR", "message": cause, "row_count": 2500, "target": "etl" }).to_string(),
                    ],
                )
                .await;
                self.report(task, state, "FAILED").await;
                let cause = json!({ "JobRunState": "FAILED", "ErrorMessage": cause }).to_string();
                self.stimuli.push_front(Stimulus::TaskFailed { task, failure: Failure::new(error, cause) });
            }
            Act::Hang => self.stage.pass(6_400),
            Act::Wait => {}
        }
    }

    async fn lines(&self, task: TaskId, texts: &[&str]) {
        let line = |text: &&str| LogLine {
            number: 0,
            task,
            at: self.stage.now(),
            stream: if text.contains("FAILED") { "stderr" } else { "stdout" }.to_owned(),
            text: (*text).to_owned(),
        };
        let lines: Vec<LogLine> = texts.iter().map(line).collect();
        self.stage.store.append_log(self.id, task, &lines).await.unwrap();
    }

    async fn report(&self, task: TaskId, state: &str, status: &str) {
        let zone = if status == "FAILED" { "quarantine/" } else { "" };
        let report = ReportRecord {
            execution: self.id,
            task,
            state: state.to_owned(),
            report: json!({
                "job": state.to_lowercase(), "status": status, "partition": self.ds,
                "metrics": { "records": 2500, "malformed_records": 3, "peak_memory_bytes": 1, "quality": quality(status) },
                "outputs": outputs(&self.ds, zone),
                "peak_memory_bytes": 432_013_312
            }),
            at: self.stage.now(),
        };
        self.stage.store.put_report(&report).await.unwrap();
    }

    fn record(&self, execution: &Execution) -> ExecutionRecord {
        ExecutionRecord {
            id: self.id,
            arn: arn(&self.ds),
            name: self.ds.clone(),
            state_machine_arn: MACHINE.to_owned(),
            revision: Uuid::from_u128(7),
            revision_number: 7,
            status: ExecutionStatus::Running,
            input: execution.input.to_string(),
            output: None,
            error: None,
            cause: None,
            started_at: execution.started_at,
            stopped_at: None,
            last_event_id: execution.last_event_id,
            last_public_id: execution.last_public_id,
            trace_header: None,
            pipeline: Some("daily-prices".to_owned()),
            partition: Some(self.ds.clone()),
            trigger: "schedule".to_owned(),
        }
    }

    /// What the end of the execution, if this is it, changes.
    fn end(&self, commit: &mut Commit, execution: &Execution, now: Timestamp) {
        let (status, outcome, output, failure) = match &execution.status {
            Status::Running => return,
            Status::Succeeded { output } => {
                (ExecutionStatus::Succeeded, Outcome::Succeeded, Some(output.to_string()), Failure::default())
            }
            Status::Failed(failure) => (ExecutionStatus::Failed, Outcome::Failed, None, failure.clone()),
            Status::TimedOut(failure) => (ExecutionStatus::TimedOut, Outcome::Failed, None, failure.clone()),
            Status::Aborted(failure) => (ExecutionStatus::Aborted, Outcome::Failed, None, failure.clone()),
        };
        let (pipeline, partition) = ("daily-prices".to_owned(), self.ds.clone());
        if outcome == Outcome::Succeeded {
            commit.ledger.push(LedgerChange::Figures {
                pipeline: pipeline.clone(),
                partition: partition.clone(),
                execution: self.id,
                rows: Some(2_000 + now.millis() / 1_000 % 700),
                bytes: Some(81_234),
                files: Some(1),
                quality: json!({ "transform": {
                    "message": "DQ OK", "outputs": outputs(&self.ds, ""),
                    "checks": { "pass": 1, "warn": 1, "tables": { "prices": { "pass": 1, "warn": 1 } },
                        "open": [{ "table": "prices", "check": "null_rate", "status": "WARN" }] },
                } }),
            });
        } else {
            commit.outbox.push(NewOutboxMessage {
                id: Uuid::new_v5(&self.id, b"alarm"),
                channel: "sns".to_owned(),
                payload: json!({ "subject": format!("daily-prices {partition} failed"), "execution_arn": arn(&partition) }),
                created_at: now,
            });
        }
        let reason = failure.error.is_some().then(|| "DQ_FAILED: Critical Error Rate: 12.44%".to_owned());
        let (execution, in_place) = (self.id, false);
        let settled = LedgerChange::Settle { pipeline, partition, execution, outcome, reason, in_place, at: now };
        commit.ledger.push(settled);
        commit.end = Some(End { status, output, error: failure.error, cause: failure.cause, stopped_at: now });
    }
}

fn outputs(ds: &str, zone: &str) -> Value {
    json!([{ "uri": format!("s3://curated/market/prices/{zone}ds={ds}/"), "rows": 2500, "files": 1, "bytes": 81_234 }])
}

fn quality(status: &str) -> Value {
    let rows = if status == "FAILED" { "FAIL" } else { "PASS" };
    json!([
        { "table": "prices", "check": "row_count", "status": rows, "expected": 2500, "actual": 2500 },
        { "table": "prices", "check": "null_rate", "status": "WARN", "expected": 0, "actual": 0.004, "tolerance": 0.001 },
    ])
}

fn job(input: &Value) -> &str {
    ["JobName", "FunctionName", "Name"].iter().find_map(|key| input.get(*key)?.as_str()).unwrap_or("alerts")
}

/// Every task does what it should; the compaction fails once at first.
pub fn good(state: &str, attempt: u64) -> Act {
    match state {
        "Preflight" => Act::Succeed(640, json!({ "proceed": true, "glue_args": { "--codec": "zstd" } })),
        "Compaction" if attempt == 1 => {
            Act::Fail(2_200, "Glue.JobFailed", "STORAGE_ERROR: connection reset by peer".to_owned())
        }
        "Compaction" => Act::Succeed(8_400, json!({ "glue_args": { "--codec": "zstd" } })),
        "Guard" => Act::Succeed(310, json!({ "shouldProcess": true, "glue_args": { "--codec": "zstd" } })),
        "Transform" => Act::Succeed(9_300, json!({ "rows": 2500, "glue_args": { "--codec": "zstd" } })),
        "Indicators" => Act::Succeed(12_700, json!({ "rows": 4 })),
        _ => Act::Succeed(400, json!({})),
    }
}

/// As [`good`], but the transform's quality rules are broken.
pub fn bad(state: &str, attempt: u64) -> Act {
    match state {
        "Transform" => Act::Fail(
            31_200,
            "States.TaskFailed",
            "DQ_FAILED: negative price present (300 records); Critical Error Rate: 12.44% (threshold: 5%)".to_owned(),
        ),
        _ => good(state, attempt),
    }
}

/// As [`good`], up to the transform, which runs.
pub fn half(state: &str, attempt: u64) -> Act {
    if state == "Transform" { Act::Hang } else { good(state, attempt) }
}

/// As [`good`], up to the transform, which nobody takes.
pub fn lonely(state: &str, attempt: u64) -> Act {
    if state == "Transform" { Act::Wait } else { good(state, attempt) }
}

/// A table of the catalog.
pub fn table(now: Timestamp) -> CrawlTable {
    CrawlTable {
        database: "dev_data_platform".to_owned(),
        name: "curated_prices".to_owned(),
        location: "s3://curated/market/prices/".to_owned(),
        columns: json!([{ "name": "symbol", "type": "string" }, { "name": "close", "type": "double" }]),
        partition_keys: json!([{ "name": "ds", "type": "date" }]),
        partitions: json!([{ "values": ["2025-09-04"], "rows": 2500, "bytes": 81_234, "files": 1 }]),
        crawler: "dev-curated-data-crawler".to_owned(),
        updated_at: now,
    }
}
