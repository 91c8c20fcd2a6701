//! What answers look like: the store's records with the names of this API.

use serde::Serialize;
use serde_json::Value;

use crate::pipeline::Results;
use crate::store::{ExecutionRecord, LedgerRow, ReportRecord, TaskRecord};

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl<T> List<T> {
    pub(super) fn all(items: Vec<T>) -> Self {
        Self { items, next_token: None }
    }
}

/// A partition of a pipeline.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PartitionView {
    /// `2024-12-07`.
    pub partition: String,
    /// `QUEUED`, `RUNNING`, `SUCCEEDED`, `SKIPPED`, `FAILED` or `STALE`.
    pub outcome: &'static str,
    /// Why, with a code in front.
    pub reason: Option<String>,
    /// The execution that made it so.
    pub execution_arn: String,
    /// Rows written.
    pub rows: Option<i64>,
    /// Bytes written.
    pub bytes: Option<i64>,
    /// Files written.
    pub files: Option<i64>,
    /// Quality results by job.
    #[schema(value_type = Object)]
    pub quality: Value,
    /// The tables its jobs wrote, and its quality checks: counts, and those that did not pass.
    pub results: Results,
    /// ISO 8601, UTC.
    pub started_at: String,
    /// ISO 8601, UTC; absent while it runs.
    pub ended_at: Option<String>,
    /// The run that begins when this one has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<QueuedView>,
}

/// A run that waits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct QueuedView {
    /// The execution it will be; to stop it takes it out of the queue.
    pub execution_arn: String,
    /// Who asked for it.
    pub trigger: String,
    /// ISO 8601, UTC.
    pub requested_at: String,
}

impl From<LedgerRow> for PartitionView {
    fn from(row: LedgerRow) -> Self {
        Self {
            results: Results::of_ledger(&row.partition, &row.quality),
            partition: row.partition,
            outcome: row.outcome.as_str(),
            reason: row.reason,
            execution_arn: row.execution_arn,
            rows: row.rows,
            bytes: row.bytes,
            files: row.files,
            quality: row.quality,
            started_at: row.started_at.to_string(),
            ended_at: row.ended_at.map(|at| at.to_string()),
            queued: row.queued.map(|queued| QueuedView {
                execution_arn: queued.execution_arn,
                trigger: queued.trigger,
                requested_at: queued.requested_at.to_string(),
            }),
        }
    }
}

/// An execution in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ExecutionView {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its machine.
    pub state_machine_arn: String,
    /// The revision it runs on.
    pub revision: u32,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: &'static str,
    /// The pipeline it is a run of.
    pub pipeline: Option<String>,
    /// The partition, when it is a run of exactly one.
    pub partition: Option<String>,
    /// Who started it.
    pub trigger: String,
    /// ISO 8601, UTC.
    pub started_at: String,
    /// ISO 8601, UTC; absent while it runs.
    pub stopped_at: Option<String>,
    /// The error's name.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
    /// The page about it.
    pub dashboard_url: String,
}

impl ExecutionView {
    pub(super) fn of(record: &ExecutionRecord, dashboard_url: String) -> Self {
        Self {
            arn: record.arn.clone(),
            name: record.name.clone(),
            state_machine_arn: record.state_machine_arn.clone(),
            revision: record.revision_number,
            status: record.status.as_str(),
            pipeline: record.pipeline.clone(),
            partition: record.partition.clone(),
            trigger: record.trigger.clone(),
            started_at: record.started_at.to_string(),
            stopped_at: record.stopped_at.map(|at| at.to_string()),
            error: record.error.clone(),
            cause: record.cause.clone(),
            dashboard_url,
        }
    }
}

/// An execution with all that is known of it but its history.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ExecutionDetail {
    /// As in lists.
    #[serde(flatten)]
    pub execution: ExecutionView,
    /// Its input.
    #[schema(value_type = Object)]
    pub input: Value,
    /// Its output, once it succeeded.
    #[schema(value_type = Option<Object>)]
    pub output: Option<Value>,
    /// Its open tasks.
    pub tasks: Vec<TaskView>,
    /// What its jobs reported, oldest first.
    pub reports: Vec<ReportView>,
    /// The tables its jobs wrote and all their quality checks, worst first.
    pub results: Results,
}

/// An open task. Its token stays a secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TaskView {
    /// The state.
    pub state: String,
    /// The attempt, from 1.
    pub attempt: u64,
    /// The activity or queue.
    pub queue: String,
    /// `SCHEDULED` or `STARTED`.
    #[schema(value_type = String)]
    pub status: crate::store::TaskStatus,
    /// Who has it.
    pub worker: Option<String>,
    /// ISO 8601, UTC.
    pub scheduled_at: String,
    /// ISO 8601, UTC.
    pub started_at: Option<String>,
    /// How often a lost lease gave it to another worker.
    pub redeliveries: u32,
}

impl From<TaskRecord> for TaskView {
    fn from(task: TaskRecord) -> Self {
        Self {
            state: task.state,
            attempt: task.attempt,
            queue: task.queue,
            status: task.status,
            worker: task.worker,
            scheduled_at: task.scheduled_at.to_string(),
            started_at: task.started_at.map(|at| at.to_string()),
            redeliveries: task.redeliveries,
        }
    }
}

/// What a job said of itself at its end.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ReportView {
    /// The state.
    pub state: String,
    /// ISO 8601, UTC.
    pub at: String,
    /// The job's result object with what the worker measured beside it.
    #[schema(value_type = Object)]
    pub report: Value,
}

impl From<ReportRecord> for ReportView {
    fn from(report: ReportRecord) -> Self {
        Self { state: report.state, at: report.at.to_string(), report: report.report }
    }
}
