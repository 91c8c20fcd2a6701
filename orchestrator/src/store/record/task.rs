//! Open tasks, timers that are due, and what jobs write and report.

use asl::execution::Resource;
use asl::{TaskId, TaskToken, TimerId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{ExecutionId, TaskStart};

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

impl TaskRecord {
    /// The row as it is once this one has taken it.
    pub fn started(self, start: TaskStart, at: Timestamp) -> Self {
        let lease_seconds = self.lease_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        Self {
            status: TaskStatus::Started,
            token: Some(start.token),
            worker: start.worker,
            started_at: Some(at),
            lease_expires_at: lease_seconds.map(|seconds| at.plus_seconds(seconds)),
            ..self
        }
    }
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
