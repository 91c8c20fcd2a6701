//! What a store gives back: plain values, one per thing that is kept.

use std::time::Duration;

use asl::execution::Resource;
use asl::{Event, EventId, TaskId, TaskToken, TimerId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::ExecutionId;

/// A page of a list that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What the page before gave as [`Paged::next`].
    pub token: Option<String>,
    /// How many items at most; 0 is 100.
    pub limit: u32,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Asks for the next page; `None` on the last.
    pub next: Option<String>,
}

/// `STANDARD` or `EXPRESS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateMachineType {
    /// Durable, exactly once.
    Standard,
    /// In memory.
    Express,
}

/// `ACTIVE` or `DELETING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateMachineStatus {
    /// May be started.
    Active,
    /// Waits for its executions to end.
    Deleting,
}

/// A state machine with its current revision.
#[derive(Clone, Debug, PartialEq)]
pub struct StateMachineRecord {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: StateMachineType,
    /// Its status.
    pub status: StateMachineStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// The current revision.
    pub revision: RevisionRecord,
    /// Tags, `[{"key","value"}]`.
    pub tags: Value,
}

/// One revision of a state machine: what an execution runs on to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionRecord {
    /// The key.
    pub id: Uuid,
    /// Of which machine.
    pub state_machine_arn: String,
    /// 1, 2, 3, ... for people.
    pub number: u32,
    /// The definition's text, as it was given.
    pub definition: String,
    /// The role.
    pub role_arn: String,
    /// `loggingConfiguration`, as it was given.
    pub logging: Value,
    /// `tracingConfiguration`, as it was given.
    pub tracing: Value,
    /// `encryptionConfiguration`, as it was given, or null.
    pub encryption: Value,
    /// When this revision became current.
    pub created_at: Timestamp,
}

/// An activity.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityRecord {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Tags, `[{"key","value"}]`.
    pub tags: Value,
}

/// The status of an execution, as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Not ended.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended by an error.
    Failed,
    /// Ran past its time.
    TimedOut,
    /// Stopped.
    Aborted,
}

impl ExecutionStatus {
    /// The API's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

impl std::str::FromStr for ExecutionStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Running, Self::Succeeded, Self::Failed, Self::TimedOut, Self::Aborted]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no status of an execution"))
    }
}

/// An execution's row.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRecord {
    /// The key.
    pub id: ExecutionId,
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The machine.
    pub state_machine_arn: String,
    /// The revision it runs on.
    pub revision: Uuid,
    /// The number of that revision, for people.
    pub revision_number: u32,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// The input's text, as it was given.
    pub input: String,
    /// The output's text, once it succeeded.
    pub output: Option<String>,
    /// The error's name.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// The guard of commits.
    pub last_event_id: EventId,
    /// The last public event.
    pub last_public_id: EventId,
    /// `traceHeader`.
    pub trace_header: Option<String>,
    /// The pipeline it is a run of.
    pub pipeline: Option<String>,
    /// The partition, when it is a run of exactly one.
    pub partition: Option<String>,
    /// Who started it: `api`, `rest`, `dashboard`, `schedule`, `nested`, `system`.
    pub trigger: String,
}

/// An execution with all its events.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its row.
    pub record: ExecutionRecord,
    /// All its events, in order.
    pub events: Vec<Event>,
}

/// Which executions a list holds.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Only of this machine.
    pub state_machine_arn: Option<String>,
    /// Only in this status.
    pub status: Option<ExecutionStatus>,
    /// Only runs of this pipeline.
    pub pipeline: Option<String>,
    /// Only runs of this partition.
    pub partition: Option<String>,
}

/// Which events of a history.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// Newest first.
    pub reverse: bool,
    /// Only events behind this public id, in reading direction.
    pub after: Option<EventId>,
    /// At most so many.
    pub limit: u32,
}

/// Where a task stands while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Waits to be taken.
    Scheduled,
    /// Somebody has it.
    Started,
}

/// An open task.
#[derive(Clone, Debug)]
pub struct TaskRecord {
    /// Of which execution.
    pub execution: ExecutionId,
    /// The task.
    pub task: TaskId,
    /// Its queue.
    pub queue: String,
    /// Its state's name.
    pub state: String,
    /// 1 for the first attempt of the visit.
    pub attempt: u64,
    /// What was called.
    pub resource: Resource,
    /// JSON text of what the one who takes it is given.
    pub input: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// The token, once there is one.
    pub token: Option<TaskToken>,
    /// Who has it.
    pub worker: Option<String>,
    /// When it became visible.
    pub scheduled_at: Timestamp,
    /// When it was taken.
    pub started_at: Option<Timestamp>,
    /// `HeartbeatSeconds`.
    pub heartbeat_seconds: Option<u64>,
    /// The lease's length.
    pub lease_seconds: Option<u64>,
    /// When the lease ends.
    pub lease_expires_at: Option<Timestamp>,
    /// How often it was given to somebody new because a lease expired.
    pub redeliveries: u32,
    /// What was submitted for it.
    pub submission: Option<Value>,
}

/// A timer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueTimer {
    /// Of which execution.
    pub execution: ExecutionId,
    /// The timer.
    pub timer: TimerId,
    /// Since when.
    pub due_at: Timestamp,
}

/// A line a job wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number in the execution; given by the store, 0 before.
    #[serde(default)]
    pub number: i64,
    /// Which task wrote it; given by the store.
    #[serde(default = "no_task")]
    pub task: TaskId,
    /// When, by the worker's clock.
    pub at: Timestamp,
    /// `stdout`, `stderr` or `worker`.
    pub stream: String,
    /// The line, at most 8 KiB.
    pub text: String,
}

const fn no_task() -> TaskId {
    TaskId(0)
}

/// What a job said of itself at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// Of which execution.
    pub execution: ExecutionId,
    /// Of which task.
    pub task: TaskId,
    /// Its state's name.
    pub state: String,
    /// The result object (pipelines.md 0.3) with `peak_memory_bytes`, `cpu_seconds`, `exit_code`.
    pub report: Value,
    /// When it arrived.
    pub at: Timestamp,
}

/// A pipeline: a sheet beside a state machine.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineRecord {
    /// Its name.
    pub name: String,
    /// Its machine.
    pub state_machine_arn: String,
    /// The sheet's text (TOML).
    pub sheet: String,
    /// When it was put.
    pub updated_at: Timestamp,
}

/// How a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Waits for another run.
    Queued,
    /// Is being made.
    Running,
    /// Is in.
    Succeeded,
    /// There was nothing to do, legitimately.
    Skipped,
    /// Is not in.
    Failed,
    /// Is in, but something it was made from has changed.
    Stale,
}

impl Outcome {
    /// The word the store keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Skipped => "SKIPPED",
            Self::Failed => "FAILED",
            Self::Stale => "STALE",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Skipped, Self::Failed, Self::Stale]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no outcome of a partition"))
    }
}

/// One row of the ledger: a partition of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The pipeline.
    pub pipeline: String,
    /// The partition, `2024-12-07`.
    pub partition: String,
    /// How it stands.
    pub outcome: Outcome,
    /// Why, for people.
    pub reason: Option<String>,
    /// The execution that made it so.
    pub execution: ExecutionId,
    /// Its ARN.
    pub execution_arn: String,
    /// Rows written.
    pub rows: Option<i64>,
    /// Bytes written.
    pub bytes: Option<i64>,
    /// Files written.
    pub files: Option<i64>,
    /// Quality results by job.
    pub quality: Value,
    /// When the run began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Delivery {
    /// Not yet delivered; tried again when due.
    Pending,
    /// Delivered.
    Sent,
    /// Given up.
    Failed,
    /// There is nowhere to send it.
    NotConfigured,
}

impl Delivery {
    /// The word the store keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
            Self::NotConfigured => "NOT_CONFIGURED",
        }
    }
}

impl std::str::FromStr for Delivery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Pending, Self::Sent, Self::Failed, Self::NotConfigured]
            .into_iter()
            .find(|delivery| delivery.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no state of a delivery"))
    }
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxMessage {
    /// The key.
    pub id: Uuid,
    /// `sns`, `cloudwatch` or `webhook`.
    pub channel: String,
    /// What to send.
    pub payload: Value,
    /// How it stands.
    pub delivery: Delivery,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last attempt ran into, or the receipt.
    pub note: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is tried next, or was settled.
    pub due_at: Timestamp,
}

/// What became of a delivery.
#[derive(Clone, Debug)]
pub struct OutboxSettlement {
    /// The message.
    pub id: Uuid,
    /// Its new state; `Pending` tries again.
    pub delivery: Delivery,
    /// The error or the receipt.
    pub note: Option<String>,
    /// The pause before the next try, for `Pending`.
    pub retry_after: Duration,
}

/// A table of the local catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrawlTable {
    /// The database.
    pub database: String,
    /// The table.
    pub name: String,
    /// Where its data is.
    pub location: String,
    /// `[{"name","type"}]`, without the partition keys.
    pub columns: Value,
    /// `[{"name","type"}]`.
    pub partition_keys: Value,
    /// `[{"values":[...],"rows","bytes","files"}]`.
    pub partitions: Value,
    /// Who found it: the crawler's name.
    pub crawler: String,
    /// When.
    pub updated_at: Timestamp,
}

/// A worker process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its name.
    pub name: String,
    /// What it said of itself: version, pid, host, slots, running, activities.
    pub about: Value,
    /// When it was seen last.
    pub seen_at: Timestamp,
}
