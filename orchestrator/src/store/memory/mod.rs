//! The store of the simulation: maps behind a mutex, a clock that can be set, and crashes on demand.
//!
//! A clone is another handle on the same rows, so a simulated crash drops the engine and keeps the store.

mod commit;
mod execution;
mod machine;
mod outbox;
mod task;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use asl::{Event, TaskId, TaskToken, TimerId, Timestamp};
use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::catalog::merged;
use super::{
    ActivityRecord, Commit, CommitResult, CrawlTable, DueTimer, Error, ExecutionFilter, ExecutionId, ExecutionRecord,
    ExecutionStatus, Hint, HistoryQuery, LedgerChange, LedgerRow, Loaded, LogLine, NewOutboxMessage, OutboxMessage,
    OutboxSettlement, Page, Paged, PipelineRecord, Recent, ReportRecord, Result, RevisionRecord, SnapshotRecord,
    StateMachineRecord, Store, TaskRecord, WorkerRecord, ledger,
};

/// Where a commit is cut off by [`MemoryStore::fail_next_commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailPoint {
    /// Nothing of the batch is kept.
    Before,
    /// All of it is kept, but the answer is lost.
    After,
}

/// The clock of a [`MemoryStore`].
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A store in memory. Cheap to clone: clones share their rows.
#[derive(Clone)]
pub struct MemoryStore {
    rows: Arc<Mutex<Rows>>,
    clock: Clock,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Everything that is kept.
#[derive(Default)]
struct Rows {
    machines: BTreeMap<String, StateMachineRecord>,
    revisions: HashMap<Uuid, RevisionRecord>,
    activities: BTreeMap<String, ActivityRecord>,
    executions: BTreeMap<ExecutionId, ExecutionRow>,
    execution_ids: HashMap<String, ExecutionId>,
    snapshots: HashMap<ExecutionId, SnapshotRecord>,
    tasks: BTreeMap<(ExecutionId, TaskId), TaskRow>,
    timers: BTreeMap<(ExecutionId, TimerId), TimerRow>,
    log: BTreeMap<ExecutionId, Vec<LogLine>>,
    reports: BTreeMap<(ExecutionId, TaskId), ReportRecord>,
    pipelines: BTreeMap<String, PipelineRecord>,
    ledger: BTreeMap<ledger::Key, LedgerRow>,
    outbox: Vec<OutboxMessage>,
    tables: BTreeMap<(String, String), CrawlTable>,
    workers: BTreeMap<String, WorkerRecord>,
    fail_next_commit: Option<FailPoint>,
    commits: u64,
}

struct ExecutionRow {
    record: ExecutionRecord,
    events: Vec<Event>,
    turn_at: Timestamp,
}

struct TaskRow {
    record: TaskRecord,
    visible_at: Timestamp,
}

struct TimerRow {
    due_at: Timestamp,
    visible_at: Timestamp,
}

impl MemoryStore {
    /// An empty store that goes by the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(|| Timestamp::from(chrono::Utc::now())))
    }

    /// An empty store that goes by this clock.
    pub fn with_clock(clock: Clock) -> Self {
        Self { rows: Arc::default(), clock }
    }

    /// The next batch fails with [`Error::Unavailable`], before or after it is kept.
    pub fn fail_next_commit(&self, point: FailPoint) {
        self.rows().fail_next_commit = Some(point);
    }

    /// How many batches were handed in, failed ones included: the places where a simulation can crash.
    pub fn commits(&self) -> u64 {
        self.rows().commits
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock()
    }

    fn time(&self) -> Timestamp {
        (self.clock)()
    }
}

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.plus_millis(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

fn seconds_after(now: Timestamp, seconds: u64) -> Timestamp {
    now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[async_trait]
impl Store for MemoryStore {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.time())
    }

    async fn commit(&self, batch: Vec<Commit>) -> Result<Vec<CommitResult>> {
        let now = self.time();
        let mut rows = self.rows();
        rows.commits += 1;
        let lost = || Error::Unavailable {
            doing: "commit",
            source: sqlx::Error::Io(std::io::Error::other("the simulation cut the connection")),
        };
        match rows.fail_next_commit.take() {
            Some(FailPoint::Before) => Err(lost()),
            Some(FailPoint::After) => {
                rows.commit(batch, now);
                Err(lost())
            }
            None => Ok(rows.commit(batch, now)),
        }
    }

    async fn load(&self, execution: ExecutionId) -> Result<Option<Loaded>> {
        let rows = self.rows();
        let row = rows.executions.get(&execution);
        Ok(row.map(|row| Loaded { record: row.record.clone(), events: row.events.clone() }))
    }

    async fn load_recent(&self, execution: ExecutionId) -> Result<Option<Recent>> {
        let rows = self.rows();
        let snapshot = rows.snapshots.get(&execution).cloned();
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.event);
        Ok(rows.executions.get(&execution).map(|row| Recent {
            record: row.record.clone(),
            snapshot,
            events: row.events.iter().filter(|event| event.id > after).cloned().collect(),
        }))
    }

    async fn put_snapshot(&self, execution: ExecutionId, snapshot: &SnapshotRecord) -> Result<()> {
        let mut rows = self.rows();
        let kept = rows.snapshots.entry(execution).or_insert_with(|| snapshot.clone());
        if kept.event < snapshot.event {
            *kept = snapshot.clone();
        }
        Ok(())
    }

    async fn claim(&self, queues: &[String], limit: u32, reserve: Duration) -> Result<Vec<TaskRecord>> {
        Ok(self.rows().claim(queues, limit, reserve, self.time()))
    }

    async fn unclaim(&self, tasks: &[(ExecutionId, TaskId)]) -> Result<()> {
        self.rows().unclaim(tasks);
        Ok(())
    }

    async fn release(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<()> {
        self.rows().release(execution, task, token, self.time());
        Ok(())
    }

    async fn task(&self, execution: ExecutionId, task: TaskId) -> Result<Option<TaskRecord>> {
        Ok(self.rows().tasks.get(&(execution, task)).map(|row| row.record.clone()))
    }

    async fn tasks(&self, execution: ExecutionId) -> Result<Vec<TaskRecord>> {
        Ok(self.rows().tasks_of(execution))
    }

    async fn heartbeat(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<bool> {
        Ok(self.rows().heartbeat(execution, task, token, self.time()))
    }

    async fn due_timers(&self, limit: u32, reserve: Duration) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
        Ok(self.rows().due_timers(limit, reserve, self.time()))
    }

    async fn expired_leases(&self, limit: u32, deliveries_max: u32) -> Result<Vec<TaskRecord>> {
        Ok(self.rows().expired_leases(limit, deliveries_max, self.time()))
    }

    async fn backlog(&self) -> Result<Vec<(String, u64, Timestamp)>> {
        Ok(self.rows().backlog())
    }

    async fn stalled(&self, idle: Duration, limit: u32) -> Result<Vec<ExecutionId>> {
        Ok(self.rows().stalled(idle, limit, self.time()))
    }

    async fn subscribe(&self) -> Result<Option<broadcast::Receiver<Hint>>> {
        Ok(None)
    }

    async fn create_state_machine(&self, machine: &StateMachineRecord) -> Result<()> {
        self.rows().create_state_machine(machine)
    }

    async fn update_state_machine(&self, machine: &StateMachineRecord) -> Result<()> {
        self.rows().update_state_machine(machine)
    }

    async fn state_machine(&self, arn: &str) -> Result<Option<StateMachineRecord>> {
        let mut rows = self.rows();
        rows.purge_deleted();
        Ok(rows.machines.get(arn).cloned())
    }

    async fn revision(&self, revision: Uuid) -> Result<Option<RevisionRecord>> {
        Ok(self.rows().revisions.get(&revision).cloned())
    }

    async fn list_state_machines(&self, page: &Page) -> Result<Paged<StateMachineRecord>> {
        self.rows().list_state_machines(page)
    }

    async fn delete_state_machine(&self, arn: &str) -> Result<bool> {
        Ok(self.rows().delete_state_machine(arn))
    }

    async fn create_activity(&self, activity: &ActivityRecord) -> Result<ActivityRecord> {
        let mut rows = self.rows();
        Ok(rows.activities.entry(activity.arn.clone()).or_insert_with(|| activity.clone()).clone())
    }

    async fn activity(&self, arn: &str) -> Result<Option<ActivityRecord>> {
        Ok(self.rows().activities.get(arn).cloned())
    }

    async fn list_activities(&self, page: &Page) -> Result<Paged<ActivityRecord>> {
        self.rows().list_activities(page)
    }

    async fn delete_activity(&self, arn: &str) -> Result<bool> {
        Ok(self.rows().activities.remove(arn).is_some())
    }

    async fn execution(&self, arn: &str) -> Result<Option<ExecutionRecord>> {
        let rows = self.rows();
        Ok(rows.execution_ids.get(arn).and_then(|id| rows.executions.get(id)).map(|row| row.record.clone()))
    }

    async fn execution_by_id(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>> {
        Ok(self.rows().executions.get(&id).map(|row| row.record.clone()))
    }

    async fn list_executions(&self, filter: &ExecutionFilter, page: &Page) -> Result<Paged<ExecutionRecord>> {
        self.rows().list_executions(filter, page)
    }

    async fn history(&self, execution: ExecutionId, query: &HistoryQuery) -> Result<Vec<Event>> {
        Ok(self.rows().history(execution, query))
    }

    async fn count_executions(&self, since: Timestamp) -> Result<Vec<(ExecutionStatus, u64)>> {
        Ok(self.rows().count_executions(since))
    }

    async fn append_log(&self, execution: ExecutionId, task: TaskId, lines: &[LogLine]) -> Result<()> {
        self.rows().append_log(execution, task, lines);
        Ok(())
    }

    async fn log(&self, execution: ExecutionId, task: Option<TaskId>, after: i64, limit: u32) -> Result<Vec<LogLine>> {
        Ok(self.rows().log(execution, task, after, limit))
    }

    async fn put_report(&self, report: &ReportRecord) -> Result<()> {
        self.rows().reports.insert((report.execution, report.task), report.clone());
        Ok(())
    }

    async fn reports(&self, execution: ExecutionId) -> Result<Vec<ReportRecord>> {
        Ok(self.rows().reports_of(execution))
    }

    async fn put_pipeline(&self, pipeline: &PipelineRecord) -> Result<()> {
        self.rows().pipelines.insert(pipeline.name.clone(), pipeline.clone());
        Ok(())
    }

    async fn pipelines(&self) -> Result<Vec<PipelineRecord>> {
        Ok(self.rows().pipelines.values().cloned().collect())
    }

    async fn ledger(&self, pipeline: &str, from: &str, to: &str) -> Result<Vec<LedgerRow>> {
        Ok(self.rows().ledger_between(pipeline, from, to))
    }

    async fn ledger_newest(&self, pipeline: &str, limit: u32) -> Result<Vec<LedgerRow>> {
        Ok(self.rows().ledger_newest(pipeline, limit))
    }

    async fn queued_runs(&self) -> Result<Vec<LedgerRow>> {
        Ok(self.rows().ledger.values().filter(|row| row.queued.is_some()).cloned().collect())
    }

    async fn change_ledger(&self, changes: &[LedgerChange]) -> Result<()> {
        self.rows().change_ledger(changes);
        Ok(())
    }

    async fn post(&self, messages: &[NewOutboxMessage]) -> Result<()> {
        self.rows().post(messages, self.time());
        Ok(())
    }

    async fn claim_outbox(&self, limit: u32, reserve: Duration) -> Result<Vec<OutboxMessage>> {
        Ok(self.rows().claim_outbox(limit, reserve, self.time()))
    }

    async fn settle_outbox(&self, settlements: &[OutboxSettlement]) -> Result<()> {
        self.rows().settle_outbox(settlements, self.time());
        Ok(())
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxMessage>> {
        Ok(self.rows().newest_outbox(limit))
    }

    async fn merge_tables(&self, tables: &[CrawlTable]) -> Result<()> {
        let mut rows = self.rows();
        for table in tables {
            let key = (table.database.clone(), table.name.clone());
            let merged = merged(rows.tables.get(&key), table);
            rows.tables.insert(key, merged);
        }
        Ok(())
    }

    async fn tables(&self) -> Result<Vec<CrawlTable>> {
        Ok(self.rows().tables.values().cloned().collect())
    }

    async fn put_worker(&self, worker: &WorkerRecord) -> Result<()> {
        self.rows().workers.insert(worker.name.clone(), worker.clone());
        Ok(())
    }

    async fn workers(&self, since: Timestamp) -> Result<Vec<WorkerRecord>> {
        Ok(self.rows().workers.values().filter(|worker| worker.seen_at >= since).cloned().collect())
    }
}
