//! One turn's outcome, as the store takes it.

use asl::execution::Resource;
use asl::{Event, EventId, TaskId, TaskToken, TimerId, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::record::{CrawlTable, ExecutionRecord, ExecutionStatus, Outcome, QueuedRun, TaskRecord, TaskStatus};
use super::{ExecutionId, LedgerRow};

/// Everything one turn of one execution changes. All of it happens, or none.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Whose.
    pub execution: ExecutionId,
    /// The guard: the execution's `last_event_id` must still be this (0 for a new one).
    pub expected: EventId,
    /// Set on the first commit.
    pub create: Option<Box<NewExecution>>,
    /// What happened, in order, ids `expected + 1 ..`. Empty for a redelivered task, which only changes its row.
    pub events: Vec<Event>,
    /// Tasks that become visible (or are handed over at once, see [`NewTask::started`]).
    pub tasks: Vec<NewTask>,
    /// Tasks whose row must still have this token, whoever else acted since: [`CommitResult::Stale`] otherwise.
    pub held: Vec<(TaskId, TaskToken)>,
    /// Changes of tasks that exist.
    pub task_changes: Vec<TaskChange>,
    /// Timers to set.
    pub timers: Vec<NewTimer>,
    /// Timers nobody waits for any more, or that have fired.
    pub timers_gone: Vec<TimerId>,
    /// The execution's end. Its remaining tasks and timers go with it.
    pub end: Option<End>,
    /// Rows of the ledger.
    pub ledger: Vec<LedgerChange>,
    /// Messages to deliver.
    pub outbox: Vec<NewOutboxMessage>,
    /// Tables of the local catalog.
    pub tables: Vec<CrawlTable>,
}

/// A new execution.
#[derive(Clone, Debug)]
pub struct NewExecution {
    /// Its row; `status` is `RUNNING`, `last_event_id` as after the commit.
    pub record: ExecutionRecord,
    /// Refuse with [`CommitResult::PartitionBusy`] if one of the `Begin`s in [`Commit::ledger`] finds its partition
    /// queued or running under another execution.
    pub exclusive: bool,
}

/// A task that becomes visible.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// The task.
    pub task: TaskId,
    /// An activity's ARN or [`super::INTEGRATION_QUEUE`].
    pub queue: String,
    /// The state it belongs to.
    pub state: String,
    /// 1 for the first attempt of the visit.
    pub attempt: u64,
    /// What was called.
    pub resource: Resource,
    /// JSON text of what the one who takes it is given.
    pub input: String,
    /// The token, if it is known already (callback patterns).
    pub token: Option<TaskToken>,
    /// `HeartbeatSeconds`, for [`super::Store::heartbeat`].
    pub heartbeat_seconds: Option<u64>,
    /// How long a started task is its taker's without a sign of life; `None`: for ever (AWS's activities).
    pub lease_seconds: Option<u64>,
    /// Set when a waiting poller takes it within this very commit.
    pub started: Option<TaskStart>,
}

impl NewTask {
    /// The row it becomes.
    pub fn row(self, execution: ExecutionId, now: Timestamp) -> TaskRecord {
        let row = TaskRecord {
            execution,
            task: self.task,
            queue: self.queue,
            state: self.state,
            attempt: self.attempt,
            resource: self.resource,
            input: self.input,
            status: TaskStatus::Scheduled,
            token: self.token,
            worker: None,
            scheduled_at: now,
            started_at: None,
            heartbeat_seconds: self.heartbeat_seconds,
            lease_seconds: self.lease_seconds,
            lease_expires_at: None,
            redeliveries: 0,
            submission: None,
        };
        match self.started {
            Some(start) => row.started(start, now),
            None => row,
        }
    }
}

/// Who takes a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStart {
    /// The worker's name, if it gave one.
    pub worker: Option<String>,
    /// The token it reports with.
    pub token: TaskToken,
}

/// A change of a task that exists.
#[derive(Clone, Debug)]
pub enum TaskChange {
    /// `SCHEDULED` → `STARTED`, lease from now. If the task is not `SCHEDULED` any more the whole commit is
    /// [`CommitResult::Stale`].
    Start {
        /// The task.
        task: TaskId,
        /// Who takes it.
        start: TaskStart,
    },
    /// What was submitted for it, so that a crash resumes the wait (a job-run id, a child execution's ARN).
    Submitted {
        /// The task.
        task: TaskId,
        /// What the one who resumes needs.
        submission: Value,
        /// Nobody need hold the task from now on: somebody outside has its token, so its lease ends for good.
        is_awaited: bool,
    },
    /// It is over.
    Gone {
        /// The task.
        task: TaskId,
    },
}

/// A timer to set (replaces one with the same id).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTimer {
    /// The timer.
    pub timer: TimerId,
    /// When.
    pub due_at: Timestamp,
}

/// An execution's end.
#[derive(Clone, Debug)]
pub struct End {
    /// Not `RUNNING`.
    pub status: ExecutionStatus,
    /// JSON text, if it succeeded.
    pub output: Option<String>,
    /// The error's name.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
    /// When.
    pub stopped_at: Timestamp,
}

/// A change of one row of the ledger.
#[derive(Clone, Debug)]
pub enum LedgerChange {
    /// The execution works on the partition now: the row is inserted or replaced with `RUNNING`.
    Begin {
        /// The pipeline.
        pipeline: String,
        /// The partition, `2024-12-07`.
        partition: String,
        /// By whom.
        execution: ExecutionId,
        /// Its ARN.
        execution_arn: String,
        /// When.
        at: Timestamp,
    },
    /// The partition is done. Ignored if another execution has begun it since.
    Settle {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
        /// By whom.
        execution: ExecutionId,
        /// How it ended.
        outcome: Outcome,
        /// Why, for people: a code and a message.
        reason: Option<String>,
        /// The run found the partition in place and made nothing: what the row said before it counts again, if the
        /// partition was in.
        in_place: bool,
        /// When.
        at: Timestamp,
    },
    /// A run waits for the end of the one that works on the partition. Ignored if none does, or if one waits already.
    Queue {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
        /// The run.
        run: Box<QueuedRun>,
    },
    /// The run does not wait any more: what the row said before it counts again. Ignored if it has begun.
    Unqueue {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
        /// The run's execution.
        execution: ExecutionId,
    },
    /// What its jobs reported: added to the row of the execution that made it.
    Figures {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
        /// By whom.
        execution: ExecutionId,
        /// Rows written; replaces.
        rows: Option<i64>,
        /// Bytes written; replaces.
        bytes: Option<i64>,
        /// Files written; replaces.
        files: Option<i64>,
        /// Quality results by job; merged into the object there.
        quality: Value,
    },
    /// A row as it is (tests, imports).
    Put(Box<LedgerRow>),
}

/// A message to deliver at least once.
#[derive(Clone, Debug)]
pub struct NewOutboxMessage {
    /// Made by the sender, so that a repeated commit adds nothing.
    pub id: Uuid,
    /// `sns`, `cloudwatch` or `glue`.
    pub channel: String,
    /// What to send.
    pub payload: Value,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What became of one [`Commit`].
#[derive(Clone, Debug)]
pub enum CommitResult {
    /// It is durable.
    Committed,
    /// Somebody was faster: load and decide again.
    Stale,
    /// The name of the new execution is taken.
    NameTaken(Box<ExecutionRecord>),
    /// A partition of an exclusive run is being worked on.
    PartitionBusy(Box<LedgerRow>),
    /// The state machine is gone or being deleted.
    MachineGone,
}
