//! The store of record: Postgres 15 or newer, shared by any number of `serve` nodes.
//!
//! Three sets of connections, so that none waits for another's kind of work: commits (durable, dedicated), claims
//! (reservations and signs of life, whose loss in a crash of the server is harmless, so they do not wait for the
//! disk) and queries (everything else).

mod commit;
mod connection;
mod execution;
mod hint;
mod ledger;
mod machine;
mod outbox;
pub mod raw_rate;
mod row;
mod statement;
mod task;
#[cfg(test)]
mod tests;

use std::time::Duration;

use asl::{Event, TaskId, TaskToken, Timestamp};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::{
    ActivityRecord, Commit, CommitResult, CrawlTable, DueTimer, Error, ExecutionFilter, ExecutionId, ExecutionRecord,
    ExecutionStatus, Hint, HistoryQuery, LedgerChange, LedgerRow, Loaded, LogLine, NewOutboxMessage, OutboxMessage,
    OutboxSettlement, Page, Paged, PipelineRecord, Recent, ReportRecord, Result, RevisionRecord, SnapshotRecord,
    StateMachineRecord, Store, TaskRecord, WorkerRecord,
};
use connection::Connections;
use hint::Hints;

/// How many connections a node keeps. Postgres allows 100 by default: room for six nodes.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// For commits: while one waits for the disk, the next is being executed; more would only wait together.
    pub commit_connections: usize,
    /// For claims, heartbeats and timers: short statements that never wait for the disk.
    pub claim_connections: usize,
    /// For the API, the dashboard and what is durable outside of commits.
    pub query_connections: u32,
    /// How long a query waits for a free connection or for the server to come back.
    pub acquire_timeout: Duration,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        let acquire_timeout = Duration::from_secs(10);
        Self { commit_connections: 2, claim_connections: 4, query_connections: 8, acquire_timeout }
    }
}

/// The store in a Postgres database.
pub struct PostgresStore {
    commits_at_once: usize,
    committers: Connections,
    claims: Connections,
    queries: PgPool,
    hints: Hints,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// [`Error::Open`] if the address is wrong, the server does not answer, refuses, or is older than 15.
    pub async fn open(url: &str, settings: PostgresSettings) -> Result<Self> {
        let options = connection::options(url)?;
        let queries = connection::query_pool(&options, &settings).await?;
        connection::migrate(&queries).await?;
        Ok(Self {
            commits_at_once: settings.commit_connections,
            committers: Connections::durable(&options, &settings),
            claims: Connections::hasty(&options, &settings),
            hints: Hints::new(queries.clone()),
            queries,
        })
    }

    /// Closes all connections; commits in flight are finished first.
    pub async fn close(&self) {
        self.committers.close().await;
        self.claims.close().await;
        self.queries.close().await;
    }
}

/// The driver's error while `doing`.
fn unavailable(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Unavailable { doing, source }
}

/// An instant as Postgres keeps it; those before year 1 and after 9999 become these years' ends.
fn instant(at: Timestamp) -> DateTime<Utc> {
    const YEAR_1_MS: i64 = -62_135_596_800_000;
    const YEAR_9999_MS: i64 = 253_402_300_799_999;
    DateTime::from_timestamp_millis(at.millis().clamp(YEAR_1_MS, YEAR_9999_MS)).expect("years 1 to 9999 are known")
}

/// Text from outside as Postgres takes it: it knows no NUL characters, and one must not stop a whole batch.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn text_or_null(text: Option<&String>) -> Option<String> {
    text.map(|text| self::text(text))
}

#[async_trait]
impl Store for PostgresStore {
    async fn now(&self) -> Result<Timestamp> {
        let failed = unavailable("tell the time");
        let mut line = self.claims.take().await.map_err(&failed)?;
        let query = sqlx::query_scalar("select clock_timestamp()");
        let now: DateTime<Utc> = query.fetch_one(line.get()).await.map_err(failed)?;
        line.give_back();
        Ok(now.into())
    }

    async fn commit(&self, batch: Vec<Commit>) -> Result<Vec<CommitResult>> {
        commit::commit(&self.committers, self.hints.node(), batch).await
    }

    fn commits_at_once(&self) -> usize {
        self.commits_at_once
    }

    async fn load(&self, execution: ExecutionId) -> Result<Option<Loaded>> {
        execution::load(&self.queries, execution).await
    }

    async fn load_recent(&self, execution: ExecutionId) -> Result<Option<Recent>> {
        execution::load_recent(&self.queries, execution).await
    }

    async fn put_snapshot(&self, execution: ExecutionId, snapshot: &SnapshotRecord) -> Result<()> {
        execution::put_snapshot(&self.claims, execution, snapshot).await
    }

    async fn claim(&self, queues: &[String], limit: u32, reserve: Duration) -> Result<Vec<TaskRecord>> {
        task::claim(&self.claims, queues, limit, reserve).await
    }

    async fn unclaim(&self, tasks: &[(ExecutionId, TaskId)]) -> Result<()> {
        task::unclaim(&self.claims, tasks).await
    }

    async fn release(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<()> {
        task::release(&self.queries, execution, task, token).await
    }

    async fn task(&self, execution: ExecutionId, task: TaskId) -> Result<Option<TaskRecord>> {
        task::task(&self.claims, execution, task).await
    }

    async fn tasks(&self, execution: ExecutionId) -> Result<Vec<TaskRecord>> {
        task::tasks(&self.claims, execution).await
    }

    async fn heartbeat(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<bool> {
        task::heartbeat(&self.claims, execution, task, token).await
    }

    async fn due_timers(&self, limit: u32, reserve: Duration) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
        task::due_timers(&self.claims, limit, reserve).await
    }

    async fn expired_leases(&self, limit: u32, deliveries_max: u32) -> Result<Vec<TaskRecord>> {
        task::expired_leases(&self.claims, limit, deliveries_max).await
    }

    async fn backlog(&self) -> Result<Vec<(String, u64, Timestamp)>> {
        task::backlog(&self.queries).await
    }

    async fn stalled(&self, idle: Duration, limit: u32) -> Result<Vec<ExecutionId>> {
        execution::stalled(&self.queries, idle, limit).await
    }

    async fn subscribe(&self) -> Result<Option<broadcast::Receiver<Hint>>> {
        self.hints.subscribe().await.map(Some)
    }

    async fn create_state_machine(&self, machine: &StateMachineRecord) -> Result<()> {
        machine::create_state_machine(&self.queries, machine).await
    }

    async fn update_state_machine(&self, machine: &StateMachineRecord) -> Result<()> {
        machine::update_state_machine(&self.queries, machine).await
    }

    async fn state_machine(&self, arn: &str) -> Result<Option<StateMachineRecord>> {
        machine::state_machine(&self.queries, arn).await
    }

    async fn revision(&self, revision: Uuid) -> Result<Option<RevisionRecord>> {
        machine::revision(&self.queries, revision).await
    }

    async fn list_state_machines(&self, page: &Page) -> Result<Paged<StateMachineRecord>> {
        machine::list_state_machines(&self.queries, page).await
    }

    async fn delete_state_machine(&self, arn: &str) -> Result<bool> {
        machine::delete_state_machine(&self.queries, arn).await
    }

    async fn create_activity(&self, activity: &ActivityRecord) -> Result<ActivityRecord> {
        machine::create_activity(&self.queries, activity).await
    }

    async fn activity(&self, arn: &str) -> Result<Option<ActivityRecord>> {
        machine::activity(&self.queries, arn).await
    }

    async fn list_activities(&self, page: &Page) -> Result<Paged<ActivityRecord>> {
        machine::list_activities(&self.queries, page).await
    }

    async fn delete_activity(&self, arn: &str) -> Result<bool> {
        machine::delete_activity(&self.queries, arn).await
    }

    async fn execution(&self, arn: &str) -> Result<Option<ExecutionRecord>> {
        execution::execution(&self.queries, arn).await
    }

    async fn execution_by_id(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>> {
        execution::execution_by_id(&self.queries, id).await
    }

    async fn list_executions(&self, filter: &ExecutionFilter, page: &Page) -> Result<Paged<ExecutionRecord>> {
        execution::list_executions(&self.queries, filter, page).await
    }

    async fn history(&self, execution: ExecutionId, query: &HistoryQuery) -> Result<Vec<Event>> {
        execution::history(&self.queries, execution, query).await
    }

    async fn count_executions(&self, since: Timestamp) -> Result<Vec<(ExecutionStatus, u64)>> {
        execution::count_executions(&self.queries, since).await
    }

    async fn append_log(&self, execution: ExecutionId, task: TaskId, lines: &[LogLine]) -> Result<()> {
        execution::append_log(&self.queries, execution, task, lines).await
    }

    async fn log(&self, execution: ExecutionId, task: Option<TaskId>, after: i64, limit: u32) -> Result<Vec<LogLine>> {
        execution::log(&self.queries, execution, task, after, limit).await
    }

    async fn put_report(&self, report: &ReportRecord) -> Result<()> {
        execution::put_report(&self.queries, report).await
    }

    async fn reports(&self, execution: ExecutionId) -> Result<Vec<ReportRecord>> {
        execution::reports(&self.queries, execution).await
    }

    async fn put_pipeline(&self, pipeline: &PipelineRecord) -> Result<()> {
        ledger::put_pipeline(&self.queries, pipeline).await
    }

    async fn pipelines(&self) -> Result<Vec<PipelineRecord>> {
        ledger::pipelines(&self.queries).await
    }

    async fn ledger(&self, pipeline: &str, from: &str, to: &str) -> Result<Vec<LedgerRow>> {
        ledger::ledger(&self.queries, pipeline, from, to).await
    }

    async fn ledger_newest(&self, pipeline: &str, limit: u32) -> Result<Vec<LedgerRow>> {
        ledger::ledger_newest(&self.queries, pipeline, limit).await
    }

    async fn queued_runs(&self) -> Result<Vec<LedgerRow>> {
        ledger::queued_runs(&self.queries).await
    }

    async fn change_ledger(&self, changes: &[LedgerChange]) -> Result<()> {
        ledger::change_ledger(&self.queries, self.hints.node(), changes).await
    }

    async fn post(&self, messages: &[NewOutboxMessage]) -> Result<()> {
        outbox::post(&self.queries, messages).await
    }

    async fn claim_outbox(&self, limit: u32, reserve: Duration) -> Result<Vec<OutboxMessage>> {
        outbox::claim_outbox(&self.claims, limit, reserve).await
    }

    async fn settle_outbox(&self, settlements: &[OutboxSettlement]) -> Result<()> {
        outbox::settle_outbox(&self.queries, settlements).await
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxMessage>> {
        outbox::outbox(&self.queries, limit).await
    }

    async fn merge_tables(&self, tables: &[CrawlTable]) -> Result<()> {
        outbox::merge_tables(&self.queries, tables).await
    }

    async fn tables(&self) -> Result<Vec<CrawlTable>> {
        outbox::tables(&self.queries).await
    }

    async fn put_worker(&self, worker: &WorkerRecord) -> Result<()> {
        outbox::put_worker(&self.claims, worker).await
    }

    async fn workers(&self, since: Timestamp) -> Result<Vec<WorkerRecord>> {
        outbox::workers(&self.queries, since).await
    }
}
