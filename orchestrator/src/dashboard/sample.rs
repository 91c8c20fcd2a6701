//! Executions of daily prices as tests look at them: running, failed and succeeded, with histories as AWS would show.

use asl::definition::{Pattern, Resource};
use asl::{TaskId, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::facts::Facts;
use super::history::{HistoryEvent, RETRY_SCHEDULED};
use crate::store::{ExecutionRecord, ExecutionStatus, LogLine, ReportRecord, TaskRecord, TaskStatus, WorkerRecord};

/// The machine of all samples.
pub const DEFINITION: &str = include_str!("sample.asl.json");
/// The ARN of the sample with this name.
pub fn arn(name: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:execution:daily-prices:{name}")
}

/// 2025-09-05 06:00:00 UTC.
pub const START: Timestamp = Timestamp::from_millis(1_757_052_000_000);

/// Writes a history, event by event.
pub struct Script {
    events: Vec<HistoryEvent>,
    at: Timestamp,
    id: u64,
}

impl Script {
    fn new(input: &Value) -> Self {
        let mut script = Self { events: Vec::new(), at: START, id: 0 };
        script.add(
            "ExecutionStarted",
            0,
            json!({ "input": input.to_string(), "roleArn": "arn:aws:iam::123456789012:role/r" }),
        );
        script
    }

    fn wait(&mut self, millis: i64) -> &mut Self {
        self.at = self.at.plus_millis(millis);
        self
    }

    fn add(&mut self, kind: &str, previous: u64, details: Value) -> u64 {
        self.id += 1;
        let task = kind.ends_with("Scheduled").then_some(TaskId(self.id));
        let worker = details.get("workerName").and_then(Value::as_str).map(str::to_owned);
        self.events.push(HistoryEvent {
            id: self.id,
            previous,
            at: self.at,
            kind: kind.to_owned(),
            details,
            task,
            worker,
        });
        self.id
    }

    fn enter(&mut self, kind: &str, name: &str, previous: u64, input: &Value) -> u64 {
        self.add(&format!("{kind}StateEntered"), previous, json!({ "name": name, "input": input.to_string() }))
    }

    fn exit(&mut self, kind: &str, name: &str, previous: u64, output: &Value) -> u64 {
        self.add(&format!("{kind}StateExited"), previous, json!({ "name": name, "output": output.to_string() }))
    }

    fn pass(&mut self, kind: &str, name: &str, previous: u64, data: &Value) -> u64 {
        let entered = self.enter(kind, name, previous, data);
        self.exit(kind, name, entered, data)
    }

    fn scheduled(&mut self, job: &str, previous: u64) -> u64 {
        let parameters =
            json!({ "JobName": job, "Arguments": { "--ds": "2025-09-05", "--interval": "1d", "--codec": "zstd" } });
        let details = json!({ "resourceType": "glue", "resource": "startJobRun.sync", "region": "us-east-1", "parameters": parameters.to_string() });
        self.add("TaskScheduled", previous, details)
    }

    fn started(&mut self, scheduled: u64) -> u64 {
        self.wait(120);
        self.add(
            "TaskStarted",
            scheduled,
            json!({ "resourceType": "glue", "resource": "startJobRun.sync", "workerName": "w-2" }),
        )
    }

    fn failed(&mut self, started: u64, error: &str, cause: &str) -> u64 {
        let details = json!({ "resourceType": "glue", "resource": "startJobRun.sync", "error": error, "cause": cause });
        self.add("TaskFailed", started, details)
    }

    /// A whole visit of a task.
    fn task(&mut self, name: &str, job: &str, previous: u64, millis: i64, output: &Value) -> u64 {
        let entered = self.enter("Task", name, previous, &json!({ "ds": "2025-09-05" }));
        let scheduled = self.scheduled(job, entered);
        let started = self.started(scheduled);
        self.wait(millis);
        let details = json!({ "resourceType": "glue", "resource": "startJobRun.sync", "output": output.to_string() });
        let done = self.add("TaskSucceeded", started, details);
        self.wait(8);
        self.exit("Task", name, done, output)
    }

    /// Up to the guard, with one retry of the compaction; returns the last event.
    fn first_half(&mut self) -> u64 {
        let input = json!({ "ds": "2025-09-05", "domain": "market", "table_name": "prices" });
        self.wait(14);
        let normalize = self.pass("Pass", "Normalize", 0, &input);
        let map = self.enter("Map", "Days", normalize, &json!({ "days": [{ "ds": "2025-09-05" }] }));
        let map_started = self.add("MapStateStarted", map, json!({ "length": 1 }));
        let iteration = self.add("MapIterationStarted", map_started, json!({ "name": "Days", "index": 0 }));
        let preflight =
            self.task("Preflight", "preflight", iteration, 640, &json!({ "proceed": true, "ds": "2025-09-05" }));
        let proceed = self.pass("Choice", "Proceed?", preflight, &json!({ "proceed": true }));
        let entered = self.enter("Task", "Compaction", proceed, &json!({ "ds": "2025-09-05" }));
        let scheduled = self.scheduled("daily-prices-compaction", entered);
        let started = self.started(scheduled);
        self.wait(2_200);
        let cause = json!({ "JobName": "daily-prices-compaction", "JobRunState": "FAILED", "ErrorMessage": "STORAGE_ERROR: connection reset by peer" });
        let failed = self.failed(started, "Glue.JobFailed", &cause.to_string());
        self.wait(3_000);
        let scheduled = self.scheduled("daily-prices-compaction", failed);
        let started = self.started(scheduled);
        self.wait(8_400);
        let output = json!({ "JobRunState": "SUCCEEDED", "records": 2500, "files": 1 });
        let done = self.add(
            "TaskSucceeded",
            started,
            json!({ "resourceType": "glue", "resource": "startJobRun.sync", "output": output.to_string() }),
        );
        let compaction = self.exit("Task", "Compaction", done, &output);
        let guard = self.task("Guard", "guard", compaction, 310, &json!({ "shouldProcess": true, "objectCount": 1 }));
        self.pass("Choice", "Anything?", guard, &json!({ "shouldProcess": true }))
    }
}

fn record(name: &str, status: ExecutionStatus, events: &[HistoryEvent]) -> ExecutionRecord {
    let last = events.last().expect("a history has a first event");
    ExecutionRecord {
        id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
        arn: arn(name),
        name: name.to_owned(),
        state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:daily-prices".to_owned(),
        revision: Uuid::nil(),
        revision_number: 7,
        status,
        input: json!({ "ds": "2025-09-05", "domain": "market", "table_name": "prices", "raw_bucket": "raw" })
            .to_string(),
        output: (status == ExecutionStatus::Succeeded)
            .then(|| json!({ "ok": true, "partitions": ["ds=2025-09-05"] }).to_string()),
        error: last.text("error").map(str::to_owned),
        cause: last.text("cause").map(str::to_owned),
        started_at: START,
        stopped_at: (status != ExecutionStatus::Running).then_some(last.at),
        last_event_id: last.id,
        last_public_id: last.id,
        trace_header: None,
        pipeline: Some("daily-prices".to_owned()),
        partition: Some("2025-09-05".to_owned()),
        trigger: "schedule".to_owned(),
    }
}

fn facts(name: &str, status: ExecutionStatus, events: Vec<HistoryEvent>, now: Timestamp) -> Facts {
    Facts {
        now,
        record: record(name, status, &events),
        definition: DEFINITION.to_owned(),
        history: events,
        tasks: Vec::new(),
        reports: Vec::new(),
        logs: Default::default(),
        backlog: Vec::new(),
        workers: vec![worker("w-2", &["preflight", "daily-prices-compaction", "guard", "daily-prices-transform"])],
    }
}

/// A worker that serves some activities.
pub fn worker(name: &str, activities: &[&str]) -> WorkerRecord {
    let about =
        json!({ "version": "0.1.0", "pid": 4711, "host": "vm-1", "slots": 4, "running": 1, "activities": activities });
    WorkerRecord { name: name.to_owned(), about, seen_at: START.plus_seconds(30) }
}

/// Compaction was retried, Transform runs, Indicators has not begun.
pub fn running() -> Facts {
    let mut script = Script::new(&json!({ "ds": "2025-09-05" }));
    let anything = script.first_half();
    let entered = script.enter("Task", "Transform", anything, &json!({ "ds": "2025-09-05" }));
    let scheduled = script.scheduled("daily-prices-transform", entered);
    script.started(scheduled);
    let now = script.at.plus_millis(6_400);
    let mut facts = facts("sample-running", ExecutionStatus::Running, script.events, now);
    facts.tasks = vec![task(scheduled, "Transform", "daily-prices-transform", TaskStatus::Started, &facts)];
    facts.logs.insert(
        TaskId(scheduled),
        log(&[
            "reading s3://curated/market/prices/compacted/ds=2025-09-05/",
            "2500 records of 4 symbols",
            "checking quality",
        ]),
    );
    facts
}

/// As [`running`], but nobody serves the transform.
pub fn stuck() -> Facts {
    let mut facts = running();
    facts.history.pop();
    facts.tasks[0].status = TaskStatus::Scheduled;
    facts.tasks[0].started_at = None;
    facts.workers = vec![worker("w-2", &["preflight"])];
    facts
}

/// The compaction failed once and waits for its second attempt.
pub fn retrying() -> Facts {
    let mut facts = running();
    let failed = facts.history.iter().position(|event| event.kind == "TaskFailed").expect("one attempt failed");
    facts.history.truncate(failed + 1);
    let last = facts.history[failed].clone();
    facts.now = last.at.plus_millis(1_000);
    let due_at = last.at.plus_seconds(30).millis();
    facts.history.push(HistoryEvent {
        id: 0,
        previous: last.id,
        at: last.at,
        kind: RETRY_SCHEDULED.to_owned(),
        details: json!({ "dueAt": due_at }),
        task: None,
        worker: None,
    });
    facts.tasks.clear();
    facts
}

/// Transform failed its quality rules.
pub fn failed() -> Facts {
    let mut script = Script::new(&json!({ "ds": "2025-09-05" }));
    let anything = script.first_half();
    let entered = script.enter("Task", "Transform", anything, &json!({ "ds": "2025-09-05" }));
    let scheduled = script.scheduled("daily-prices-transform", entered);
    let started = script.started(scheduled);
    script.wait(31_200);
    let message = "DQ_FAILED: negative price present (300 records); null symbol present (11 records); Critical Error Rate: 12.44% (threshold: 5%)";
    let cause =
        json!({ "JobName": "daily-prices-transform", "JobRunState": "FAILED", "ErrorMessage": message }).to_string();
    let task_failed = script.failed(started, "States.TaskFailed", &cause);
    script.add("MapIterationFailed", task_failed, json!({ "name": "Days", "index": 0 }));
    let map_failed = script.add("MapStateFailed", task_failed, Value::Null);
    let map =
        script.exit("Map", "Days", map_failed, &json!({ "error": { "Error": "States.TaskFailed", "Cause": cause } }));
    let notify = script.task("Notify", "alerts", map, 90, &json!({ "MessageId": "1" }));
    let fail = script.enter("Fail", "PipelineFailed", notify, &json!({}));
    script.add("ExecutionFailed", fail, json!({ "error": "States.TaskFailed", "cause": cause }));
    let now = script.at.plus_seconds(360);
    let mut facts = facts("sample-failed", ExecutionStatus::Failed, script.events, now);
    facts.logs.insert(
        TaskId(scheduled),
        log(&[
            "reading s3://curated/market/prices/compacted/ds=2025-09-05/",
            "2500 records of 4 symbols",
            "checking quality",
            "critical: negative_price 300, null_symbol 11",
            "quarantined 2500 records to s3://curated/market/prices/quarantine/ds=2025-09-05/",
            "DQ_FAILED: Critical Error Rate: 12.44% (threshold: 5%)",
        ]),
    );
    facts.reports = vec![ReportRecord {
        execution: facts.record.id,
        task: TaskId(scheduled),
        state: "Transform".to_owned(),
        report: json!({
            "status": "FAILED", "code": "DQ_FAILED", "metrics": { "records": 2500, "critical_records": 311 },
            "outputs": [{ "uri": "s3://curated/market/prices/quarantine/ds=2025-09-05/", "rows": 2500, "files": 1, "bytes": 81_234 }],
            "peak_memory_bytes": 432_013_312, "cpu_seconds": 28.4, "exit_code": 1
        }),
        at: facts.now,
    }];
    facts
}

/// Everything went well.
pub fn succeeded() -> Facts {
    let mut script = Script::new(&json!({ "ds": "2025-09-05" }));
    let anything = script.first_half();
    let transform = script.task("Transform", "daily-prices-transform", anything, 9_300, &json!({ "rows": 2500 }));
    let indicators = script.task("Indicators", "market-indicators", transform, 12_700, &json!({ "rows": 4 }));
    let decide = script.pass("Pass", "DayDone", indicators, &json!({ "changed": true }));
    script.add("MapIterationSucceeded", decide, json!({ "name": "Days", "index": 0 }));
    script.add("MapStateSucceeded", decide, Value::Null);
    let map = script.exit("Map", "Days", decide, &json!([true]));
    let crawl = script.pass("Choice", "Changed?", map, &json!({ "changed": true }));
    let crawler = script.task("Crawler", "crawler", crawl, 1_900, &json!({}));
    let done = script.pass("Succeed", "Done", crawler, &json!({ "ok": true }));
    script.add("ExecutionSucceeded", done, json!({ "output": "{\"ok\":true}" }));
    let now = script.at.plus_seconds(7_300);
    facts("sample-succeeded", ExecutionStatus::Succeeded, script.events, now)
}

fn task(id: u64, state: &str, job: &str, status: TaskStatus, facts: &Facts) -> TaskRecord {
    TaskRecord {
        execution: facts.record.id,
        task: TaskId(id),
        queue: format!("arn:aws:states:us-east-1:123456789012:activity:{job}"),
        state: state.to_owned(),
        attempt: 1,
        resource: Resource::Service {
            service: "glue".to_owned(),
            api: "startJobRun".to_owned(),
            pattern: Pattern::Sync,
        },
        input: "{}".to_owned(),
        status,
        token: None,
        worker: (status == TaskStatus::Started).then(|| "w-2".to_owned()),
        scheduled_at: facts.now.plus_seconds(-7),
        started_at: Some(facts.now.plus_seconds(-6)),
        heartbeat_seconds: None,
        lease_seconds: Some(60),
        lease_expires_at: None,
        redeliveries: 0,
        submission: None,
    }
}

fn log(lines: &[&str]) -> Vec<LogLine> {
    let line = |(number, text): (usize, &&str)| LogLine {
        number: number as i64 + 1,
        task: TaskId(0),
        at: START.plus_millis(16_000 + number as i64 * 900),
        stream: if text.contains("FAILED") { "stderr" } else { "stdout" }.to_owned(),
        text: (*text).to_owned(),
    };
    lines.iter().enumerate().map(line).collect()
}
