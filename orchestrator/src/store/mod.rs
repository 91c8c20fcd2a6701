//! Where everything that must survive is kept; the only module that names sqlx.
//!
//! One contract, three stores: Postgres (the store of record), SQLite (the embedded default) and memory (the simulation).
//! `conformance` holds the rules they all obey. A store turns rows into values of [`asl`] and of this module and back;
//! no row type leaves it. It knows nothing of the language: what a commit means was decided before.

mod admission;
mod catalog;
mod commit;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod error;
mod ledger;
mod memory;
mod open;
mod page;
pub mod postgres;
mod record;
mod row;
mod schema;
mod sqlite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::time::Duration;

use asl::{Event, TaskId, TaskToken, Timestamp};
use async_trait::async_trait;
use tokio::sync::broadcast;
use uuid::Uuid;

pub use commit::{
    Commit, CommitResult, End, LedgerChange, NewExecution, NewOutboxMessage, NewTask, NewTimer, TaskChange, TaskStart,
};
pub use error::Error;
pub use memory::{Clock, FailPoint, MemoryStore};
pub use open::open;
pub use record::{
    ActivityRecord, CrawlTable, Delivery, DueTimer, ExecutionFilter, ExecutionRecord, ExecutionStatus, HistoryQuery,
    LedgerRow, Loaded, LogLine, OutboxMessage, OutboxSettlement, Outcome, Page, Paged, PipelineRecord, QueuedRun,
    Recent, ReportRecord, RevisionRecord, SnapshotRecord, StateMachineRecord, StateMachineStatus, StateMachineType,
    TaskRecord, TaskStatus, WorkerRecord,
};
pub use sqlite::SqliteStore;

/// The key of an execution in the store.
pub type ExecutionId = Uuid;

/// A shortened result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something another node may want to look at. A hint, never the truth: whoever gets it asks the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Tasks became visible in this queue.
    Task {
        /// An activity's ARN or [`INTEGRATION_QUEUE`].
        queue: String,
    },
    /// An execution made progress; `ended` if it was its last.
    Execution {
        /// Which.
        id: ExecutionId,
        /// Whether it ended.
        ended: bool,
    },
    /// A timer was set that is due at this time.
    Timer {
        /// When.
        due_at: Timestamp,
    },
    /// Something else changed that pages show: a ledger row, a worker, an outbox message.
    Page,
}

/// The queue of the tasks that the orchestrator's own in-process workers perform.
pub const INTEGRATION_QUEUE: &str = "integration";

/// The contract. Every verb is one transaction; batches travel as one parameter.
///
/// Times are decided by the store's clock ([`Store::now`]), so that nodes agree.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    // ---- the engine's path

    /// The store's clock.
    async fn now(&self) -> Result<Timestamp>;

    /// Commits everything in one durable transaction with a fixed number of statements, and answers each commit
    /// separately, in order: one stale execution never fails its neighbours.
    ///
    /// Two commits of one execution in one batch are not allowed (the committer sees to it).
    async fn commit(&self, batch: Vec<Commit>) -> Result<Vec<CommitResult>>;

    /// How many batches may be in flight side by side; more would only wait for each other.
    fn commits_at_once(&self) -> usize {
        1
    }

    /// The execution with its newest snapshot and the events after that, for replay.
    async fn load_recent(&self, execution: ExecutionId) -> Result<Option<Recent>>;

    /// Keeps a snapshot, unless a newer one is there. Losing one in a crash is harmless, so it need not be durable.
    async fn put_snapshot(&self, execution: ExecutionId, snapshot: &SnapshotRecord) -> Result<()>;

    /// The execution with all its events.
    async fn load(&self, execution: ExecutionId) -> Result<Option<Loaded>>;

    /// Reserves up to `limit` visible tasks of `queues`, oldest first, each for `reserve`: until then no other claim sees them.
    ///
    /// A reservation is not a start: the turn that follows commits [`TaskChange::Start`], and only that counts.
    /// Losing a reservation in a crash is harmless, so it need not be durable.
    async fn claim(&self, queues: &[String], limit: u32, reserve: Duration) -> Result<Vec<TaskRecord>>;

    /// Gives reservations back at once (a poller that went away).
    async fn unclaim(&self, tasks: &[(ExecutionId, TaskId)]) -> Result<()>;

    /// Makes a started task visible again whose taker went away before it heard of it; nothing if the token is not the
    /// task's any more.
    async fn release(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<()>;

    /// The open task with this key; `None` when it is over.
    async fn task(&self, execution: ExecutionId, task: TaskId) -> Result<Option<TaskRecord>>;

    /// All open tasks of an execution.
    async fn tasks(&self, execution: ExecutionId) -> Result<Vec<TaskRecord>>;

    /// A sign of life for a started task: moves its heartbeat timer to now + `heartbeat_seconds` and its lease to
    /// now + `lease_seconds`, where it has them. `false` if the token is not the task's or the task is over.
    async fn heartbeat(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<bool>;

    /// Timers that are due, oldest first, reserved for `reserve` so that nodes do not fire the same one in a row;
    /// the turn that handles a timer removes it. Also when the next one is due.
    async fn due_timers(&self, limit: u32, reserve: Duration) -> Result<(Vec<DueTimer>, Option<Timestamp>)>;

    /// Puts started tasks whose lease has expired back to `SCHEDULED` with one delivery more, and returns them;
    /// tasks that reached `deliveries_max` are returned too but left as they are: the engine fails them. A task with a
    /// submission only waits for what was submitted: it is put back any number of times, and that does not count.
    async fn expired_leases(&self, limit: u32, deliveries_max: u32) -> Result<Vec<TaskRecord>>;

    /// How many tasks wait in each queue and since when the oldest does: (queue, count, oldest).
    async fn backlog(&self) -> Result<Vec<(String, u64, Timestamp)>>;

    /// Executions that are `RUNNING` and have neither task nor timer nor a turn of the last `idle`: those whose
    /// `Continue` was lost with a node. The engine sends it again.
    async fn stalled(&self, idle: Duration, limit: u32) -> Result<Vec<ExecutionId>>;

    /// Hints of other nodes; `None` where there are none (embedded, memory).
    async fn subscribe(&self) -> Result<Option<broadcast::Receiver<Hint>>>;

    // ---- state machines and activities

    /// Creates a machine with its first revision; `Err(Error::Exists)` if its name is taken (by whatever status).
    async fn create_state_machine(&self, machine: &StateMachineRecord) -> Result<()>;

    /// Adds a revision and makes it current, if the current one has the number before it; so no number is given twice.
    ///
    /// `Err(Error::Missing)` if there is no such machine, `Err(Error::Superseded)` if its current revision is another.
    async fn update_state_machine(&self, machine: &StateMachineRecord) -> Result<()>;

    /// The machine with its current revision.
    async fn state_machine(&self, arn: &str) -> Result<Option<StateMachineRecord>>;

    /// One revision, current or not.
    async fn revision(&self, revision: Uuid) -> Result<Option<RevisionRecord>>;

    /// Machines in order of creation; deleted ones are not listed.
    async fn list_state_machines(&self, page: &Page) -> Result<Paged<StateMachineRecord>>;

    /// Removes a machine whose executions have ended, or marks it `DELETING`. `true` if there was one.
    async fn delete_state_machine(&self, arn: &str) -> Result<bool>;

    /// Creates an activity, or returns the one of that name.
    async fn create_activity(&self, activity: &ActivityRecord) -> Result<ActivityRecord>;

    /// The activity.
    async fn activity(&self, arn: &str) -> Result<Option<ActivityRecord>>;

    /// Activities in order of creation.
    async fn list_activities(&self, page: &Page) -> Result<Paged<ActivityRecord>>;

    /// Deletes an activity; `true` if there was one. Its open tasks stay until their own end.
    async fn delete_activity(&self, arn: &str) -> Result<bool>;

    // ---- executions

    /// The execution with this ARN.
    async fn execution(&self, arn: &str) -> Result<Option<ExecutionRecord>>;

    /// The execution with this key.
    async fn execution_by_id(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>>;

    /// Executions, newest start first.
    async fn list_executions(&self, filter: &ExecutionFilter, page: &Page) -> Result<Paged<ExecutionRecord>>;

    /// Public events of an execution; an index seek and a scan of a page, however long the history is.
    async fn history(&self, execution: ExecutionId, query: &HistoryQuery) -> Result<Vec<Event>>;

    /// (status, count) of all executions, those that ended only since `since`.
    async fn count_executions(&self, since: Timestamp) -> Result<Vec<(ExecutionStatus, u64)>>;

    // ---- job logs and reports

    /// Appends log lines of a task.
    async fn append_log(&self, execution: ExecutionId, task: TaskId, lines: &[LogLine]) -> Result<()>;

    /// Log lines of a task (of the whole execution without one) behind the line number `after`, at most `limit`.
    async fn log(&self, execution: ExecutionId, task: Option<TaskId>, after: i64, limit: u32) -> Result<Vec<LogLine>>;

    /// Keeps a job's report; a second report of one task replaces the first.
    async fn put_report(&self, report: &ReportRecord) -> Result<()>;

    /// The reports of an execution, oldest first.
    async fn reports(&self, execution: ExecutionId) -> Result<Vec<ReportRecord>>;

    // ---- pipelines, ledger, outbox, catalog, workers

    /// Inserts or replaces a pipeline by name.
    async fn put_pipeline(&self, pipeline: &PipelineRecord) -> Result<()>;

    /// All pipelines by name.
    async fn pipelines(&self) -> Result<Vec<PipelineRecord>>;

    /// Ledger rows of a pipeline with `from <= partition <= to`, ascending by partition.
    async fn ledger(&self, pipeline: &str, from: &str, to: &str) -> Result<Vec<LedgerRow>>;

    /// The newest `limit` partitions of a pipeline's ledger, ascending by partition.
    async fn ledger_newest(&self, pipeline: &str, limit: u32) -> Result<Vec<LedgerRow>>;

    /// Rows of the ledger whose partition a run is queued for, by pipeline and partition.
    async fn queued_runs(&self) -> Result<Vec<LedgerRow>>;

    /// Changes ledger rows outside a commit (rows, bytes, quality from a report).
    async fn change_ledger(&self, changes: &[LedgerChange]) -> Result<()>;

    /// Adds messages to the outbox outside a commit; one whose id is there already adds nothing.
    async fn post(&self, messages: &[NewOutboxMessage]) -> Result<()>;

    /// Reserves due messages for `reserve`.
    async fn claim_outbox(&self, limit: u32, reserve: Duration) -> Result<Vec<OutboxMessage>>;

    /// What became of a delivery.
    async fn settle_outbox(&self, settlements: &[OutboxSettlement]) -> Result<()>;

    /// The newest messages, newest first.
    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxMessage>>;

    /// Adds tables to the local catalog, or partitions to tables that are there: a partition of the same values is
    /// replaced, others stay. (A crawl, which sees all of a table, replaces it: [`Commit::tables`].)
    async fn merge_tables(&self, tables: &[CrawlTable]) -> Result<()>;

    /// The local catalog by database and table.
    async fn tables(&self) -> Result<Vec<CrawlTable>>;

    /// A worker's sign of life.
    async fn put_worker(&self, worker: &WorkerRecord) -> Result<()>;

    /// Workers seen since `since`.
    async fn workers(&self, since: Timestamp) -> Result<Vec<WorkerRecord>>;
}
