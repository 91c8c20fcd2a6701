//! The embedded store: one SQLite file in a data folder that one process owns.
//!
//! One connection writes, one transaction at a time, each durable before it is answered; a pool reads beside it.
//! The folder is locked, so that a second `stepwell up` says so instead of working on the same file.

mod commit;
mod connection;
mod execution;
mod ledger;
mod machine;
mod outbox;
mod row;
mod task;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use asl::{Event, TaskId, TaskToken, Timestamp};
use async_trait::async_trait;
use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, broadcast};
use uuid::Uuid;

use super::{
    ActivityRecord, Commit, CommitResult, CrawlTable, DueTimer, Error, ExecutionFilter, ExecutionId, ExecutionRecord,
    ExecutionStatus, Hint, HistoryQuery, LedgerChange, LedgerRow, Loaded, LogLine, NewOutboxMessage, OutboxMessage,
    OutboxSettlement, Page, Paged, PipelineRecord, Recent, ReportRecord, Result, RevisionRecord, SnapshotRecord,
    StateMachineRecord, Store, TaskRecord, WorkerRecord,
};
use connection::FolderLock;

/// The store in an SQLite file.
pub struct SqliteStore {
    writer: Mutex<SqliteConnection>,
    readers: SqlitePool,
    // Released when the store is dropped, after its connections.
    _lock: FolderLock,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens or creates the database in `folder` and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error::Open`] if another process owns the folder, or it cannot be written.
    pub async fn open(folder: &Path) -> Result<Self> {
        let lock = FolderLock::take(folder)?;
        let writer = connection::writer(folder).await?;
        let readers = connection::readers(folder).await?;
        Ok(Self { writer: Mutex::new(writer), readers, _lock: lock })
    }
}

/// The driver's error while `doing`.
fn unavailable(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Unavailable { doing, source }
}

/// The clock of this store: milliseconds since the epoch.
fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[async_trait]
impl Store for SqliteStore {
    async fn now(&self) -> Result<Timestamp> {
        Ok(Timestamp::from_millis(now()))
    }

    async fn commit(&self, batch: Vec<Commit>) -> Result<Vec<CommitResult>> {
        commit::commit(&mut *self.writer.lock().await, batch).await
    }

    async fn load(&self, execution: ExecutionId) -> Result<Option<Loaded>> {
        execution::load(&self.readers, execution).await
    }

    async fn load_recent(&self, execution: ExecutionId) -> Result<Option<Recent>> {
        execution::load_recent(&self.readers, execution).await
    }

    async fn put_snapshot(&self, execution: ExecutionId, snapshot: &SnapshotRecord) -> Result<()> {
        execution::put_snapshot(&mut *self.writer.lock().await, execution, snapshot).await
    }

    async fn claim(&self, queues: &[String], limit: u32, reserve: Duration) -> Result<Vec<TaskRecord>> {
        task::claim(&mut *self.writer.lock().await, queues, limit, reserve).await
    }

    async fn unclaim(&self, tasks: &[(ExecutionId, TaskId)]) -> Result<()> {
        task::unclaim(&mut *self.writer.lock().await, tasks).await
    }

    async fn release(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<()> {
        task::release(&mut *self.writer.lock().await, execution, task, token).await
    }

    async fn task(&self, execution: ExecutionId, task: TaskId) -> Result<Option<TaskRecord>> {
        task::task(&self.readers, execution, task).await
    }

    async fn tasks(&self, execution: ExecutionId) -> Result<Vec<TaskRecord>> {
        task::tasks(&self.readers, execution).await
    }

    async fn heartbeat(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<bool> {
        task::heartbeat(&mut *self.writer.lock().await, execution, task, token).await
    }

    async fn due_timers(&self, limit: u32, reserve: Duration) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
        task::due_timers(&self.readers, &self.writer, limit, reserve).await
    }

    async fn expired_leases(&self, limit: u32, deliveries_max: u32) -> Result<Vec<TaskRecord>> {
        task::expired_leases(&self.readers, &self.writer, limit, deliveries_max).await
    }

    async fn backlog(&self) -> Result<Vec<(String, u64, Timestamp)>> {
        task::backlog(&self.readers).await
    }

    async fn stalled(&self, idle: Duration, limit: u32) -> Result<Vec<ExecutionId>> {
        execution::stalled(&self.readers, idle, limit).await
    }

    async fn subscribe(&self) -> Result<Option<broadcast::Receiver<Hint>>> {
        Ok(None)
    }

    async fn create_state_machine(&self, machine: &StateMachineRecord) -> Result<()> {
        machine::create_state_machine(&mut *self.writer.lock().await, machine).await
    }

    async fn update_state_machine(&self, machine: &StateMachineRecord) -> Result<()> {
        machine::update_state_machine(&mut *self.writer.lock().await, machine).await
    }

    async fn state_machine(&self, arn: &str) -> Result<Option<StateMachineRecord>> {
        machine::state_machine(&self.readers, arn).await
    }

    async fn revision(&self, revision: Uuid) -> Result<Option<RevisionRecord>> {
        machine::revision(&self.readers, revision).await
    }

    async fn list_state_machines(&self, page: &Page) -> Result<Paged<StateMachineRecord>> {
        machine::list_state_machines(&self.readers, page).await
    }

    async fn delete_state_machine(&self, arn: &str) -> Result<bool> {
        machine::delete_state_machine(&mut *self.writer.lock().await, arn).await
    }

    async fn create_activity(&self, activity: &ActivityRecord) -> Result<ActivityRecord> {
        machine::create_activity(&mut *self.writer.lock().await, activity).await
    }

    async fn activity(&self, arn: &str) -> Result<Option<ActivityRecord>> {
        machine::activity(&self.readers, arn).await
    }

    async fn list_activities(&self, page: &Page) -> Result<Paged<ActivityRecord>> {
        machine::list_activities(&self.readers, page).await
    }

    async fn delete_activity(&self, arn: &str) -> Result<bool> {
        machine::delete_activity(&mut *self.writer.lock().await, arn).await
    }

    async fn execution(&self, arn: &str) -> Result<Option<ExecutionRecord>> {
        execution::execution(&self.readers, arn).await
    }

    async fn execution_by_id(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>> {
        execution::execution_by_id(&self.readers, id).await
    }

    async fn list_executions(&self, filter: &ExecutionFilter, page: &Page) -> Result<Paged<ExecutionRecord>> {
        execution::list_executions(&self.readers, filter, page).await
    }

    async fn history(&self, execution: ExecutionId, query: &HistoryQuery) -> Result<Vec<Event>> {
        execution::history(&self.readers, execution, query).await
    }

    async fn count_executions(&self, since: Timestamp) -> Result<Vec<(ExecutionStatus, u64)>> {
        execution::count_executions(&self.readers, since).await
    }

    async fn append_log(&self, execution: ExecutionId, task: TaskId, lines: &[LogLine]) -> Result<()> {
        execution::append_log(&mut *self.writer.lock().await, execution, task, lines).await
    }

    async fn log(&self, execution: ExecutionId, task: Option<TaskId>, after: i64, limit: u32) -> Result<Vec<LogLine>> {
        execution::log(&self.readers, execution, task, after, limit).await
    }

    async fn put_report(&self, report: &ReportRecord) -> Result<()> {
        execution::put_report(&mut *self.writer.lock().await, report).await
    }

    async fn reports(&self, execution: ExecutionId) -> Result<Vec<ReportRecord>> {
        execution::reports(&self.readers, execution).await
    }

    async fn put_pipeline(&self, pipeline: &PipelineRecord) -> Result<()> {
        ledger::put_pipeline(&mut *self.writer.lock().await, pipeline).await
    }

    async fn pipelines(&self) -> Result<Vec<PipelineRecord>> {
        ledger::pipelines(&self.readers).await
    }

    async fn ledger(&self, pipeline: &str, from: &str, to: &str) -> Result<Vec<LedgerRow>> {
        ledger::ledger(&self.readers, pipeline, from, to).await
    }

    async fn ledger_newest(&self, pipeline: &str, limit: u32) -> Result<Vec<LedgerRow>> {
        ledger::ledger_newest(&self.readers, pipeline, limit).await
    }

    async fn queued_runs(&self) -> Result<Vec<LedgerRow>> {
        ledger::queued_runs(&self.readers).await
    }

    async fn change_ledger(&self, changes: &[LedgerChange]) -> Result<()> {
        ledger::change_ledger(&mut *self.writer.lock().await, changes).await
    }

    async fn post(&self, messages: &[NewOutboxMessage]) -> Result<()> {
        outbox::post(&mut *self.writer.lock().await, messages).await
    }

    async fn claim_outbox(&self, limit: u32, reserve: Duration) -> Result<Vec<OutboxMessage>> {
        outbox::claim_outbox(&self.readers, &self.writer, limit, reserve).await
    }

    async fn settle_outbox(&self, settlements: &[OutboxSettlement]) -> Result<()> {
        outbox::settle_outbox(&mut *self.writer.lock().await, settlements).await
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxMessage>> {
        outbox::outbox(&self.readers, limit).await
    }

    async fn merge_tables(&self, tables: &[CrawlTable]) -> Result<()> {
        outbox::merge_tables(&mut *self.writer.lock().await, tables).await
    }

    async fn tables(&self) -> Result<Vec<CrawlTable>> {
        outbox::tables(&self.readers).await
    }

    async fn put_worker(&self, worker: &WorkerRecord) -> Result<()> {
        outbox::put_worker(&mut *self.writer.lock().await, worker).await
    }

    async fn workers(&self, since: Timestamp) -> Result<Vec<WorkerRecord>> {
        outbox::workers(&self.readers, since).await
    }
}
