//! The connection between one engine and the store: slow, faulty, and cut when the engine's process dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use asl::{Event, TaskId, TaskToken, Timestamp};
use async_trait::async_trait;
use orchestrator::store::{
    ActivityRecord, Commit, CommitResult, CrawlTable, DueTimer, Error, ExecutionFilter, ExecutionId, ExecutionRecord,
    ExecutionStatus, FailPoint, Hint, HistoryQuery, LedgerChange, LedgerRow, Loaded, LogLine, MemoryStore,
    NewOutboxMessage, OutboxMessage, OutboxSettlement, Page, Paged, PipelineRecord, Recent, ReportRecord, Result,
    RevisionRecord, SnapshotRecord, StateMachineRecord, Store, TaskRecord, WorkerRecord,
};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dice::Dice;
use crate::observer::Observer;

/// Calls of one run before it is taken for a runaway: the busiest honest runs make a tenth of them.
const CALLS_MAX: u64 = 400_000;

/// How likely what goes wrong is. All zeros is calm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// A call takes its time.
    pub slow: f64,
    /// How much, in milliseconds.
    pub slow_millis_max: u64,
    /// A call that does not commit fails.
    pub fault: f64,
    /// A commit fails and is lost.
    pub lost: f64,
    /// A commit is kept, its answer is lost.
    pub unheard: f64,
    /// A commit fails, and is kept some time later all the same: it was on its way.
    pub late: f64,
    /// The process dies at a commit: half of the time before it, half after.
    pub crash: f64,
    /// A client of the engine hangs up in the middle of its call.
    pub hang_up: f64,
}

/// One certain crash, for the runs that try every one of them.
#[derive(Clone, Copy, Debug)]
pub struct CrashPoint {
    /// At which commit of the run, counted from 0.
    pub commit: u64,
    /// Whether it is kept.
    pub point: FailPoint,
}

/// What the wires of a world have in common.
#[derive(Debug)]
pub struct Sky {
    pub store: MemoryStore,
    pub observer: Arc<Observer>,
    pub weather: Mutex<Weather>,
    pub crash_point: Option<CrashPoint>,
    /// Commits so far, of all engines.
    pub commits: AtomicU64,
    pub calls: AtomicU64,
}

/// One engine's connection.
#[derive(Debug)]
pub struct Wire {
    sky: Arc<Sky>,
    node: String,
    dice: Mutex<Dice>,
    gone: CancellationToken,
}

enum Fate {
    Fine,
    Lost,
    Unheard,
    Late(Duration),
    Crash(FailPoint),
}

impl Wire {
    pub fn new(sky: Arc<Sky>, node: String, dice: Dice, gone: CancellationToken) -> Self {
        Self { sky, node, dice: Mutex::new(dice), gone }
    }

    /// The way there or back. Never ends once the process is dead.
    async fn travel(&self) {
        let weather = *self.sky.weather.lock();
        let pause = {
            let mut dice = self.dice.lock();
            dice.chance(weather.slow).then(|| {
                let longer = if dice.chance(0.03) { 100 } else { 1 };
                dice.pause(weather.slow_millis_max * longer)
            })
        };
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        if self.sky.calls.fetch_add(1, Ordering::Relaxed) == CALLS_MAX {
            self.sky.observer.fail(format!("{CALLS_MAX} calls of the store: something runs in circles"));
        }
        if self.gone.is_cancelled() || self.sky.calls.load(Ordering::Relaxed) > CALLS_MAX {
            std::future::pending::<()>().await;
        }
    }

    /// The way there of a call that may fail.
    async fn ask(&self, doing: &'static str) -> Result<()> {
        self.travel().await;
        let fault = self.sky.weather.lock().fault;
        if self.dice.lock().chance(fault) {
            self.sky.observer.note(|| format!("{}: cannot {doing}", self.node));
            return Err(lost(doing));
        }
        Ok(())
    }

    fn fate(&self) -> Fate {
        let number = self.sky.commits.fetch_add(1, Ordering::Relaxed);
        if let Some(crash) = self.sky.crash_point {
            return if crash.commit == number { Fate::Crash(crash.point) } else { Fate::Fine };
        }
        let weather = *self.sky.weather.lock();
        let mut dice = self.dice.lock();
        if dice.chance(weather.crash) {
            return Fate::Crash(dice.pick(&[FailPoint::Before, FailPoint::After]));
        }
        if dice.chance(weather.lost) {
            return Fate::Lost;
        }
        if dice.chance(weather.unheard) {
            return Fate::Unheard;
        }
        if dice.chance(weather.late) {
            return Fate::Late(dice.pause(3_000));
        }
        Fate::Fine
    }
}

fn lost(doing: &'static str) -> Error {
    Error::Open(format!("the simulation cut the connection: cannot {doing}"))
}

impl Sky {
    /// Commits, under the observer's eyes. Nothing else happens in between: the memory store never waits.
    async fn keep(&self, batch: Vec<Commit>) -> Result<Vec<CommitResult>> {
        let copy = batch.clone();
        let results = self.store.commit(batch).await?;
        self.observer.committed(&self.store, &copy, &results);
        Ok(results)
    }
}

macro_rules! wire {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for Wire {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                self.ask(stringify!($name)).await?;
                let answer = self.sky.store.$name($($argument),*).await;
                self.travel().await;
                answer
            })*

            async fn commit(&self, batch: Vec<Commit>) -> Result<Vec<CommitResult>> {
                self.travel().await;
                let fate = self.fate();
                let note = |what: &str| self.sky.observer.note(|| format!("{}: commit {what}", self.node));
                match fate {
                    Fate::Fine => {
                        let results = self.sky.keep(batch).await;
                        self.travel().await;
                        results
                    }
                    Fate::Lost => {
                        note("lost");
                        Err(lost("commit"))
                    }
                    Fate::Unheard => {
                        note("kept, unheard");
                        self.sky.keep(batch).await?;
                        self.travel().await;
                        Err(lost("commit"))
                    }
                    Fate::Late(pause) => {
                        note("kept later");
                        let sky = self.sky.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(pause).await;
                            sky.keep(batch).await
                        });
                        Err(lost("commit"))
                    }
                    Fate::Crash(point) => {
                        note(&format!("and crash {point:?}"));
                        if point == FailPoint::After {
                            self.sky.keep(batch).await?;
                        }
                        self.gone.cancel();
                        std::future::pending().await
                    }
                }
            }
        }
    };
}

wire! {
    now() -> Timestamp;
    load(execution: ExecutionId) -> Option<Loaded>;
    load_recent(execution: ExecutionId) -> Option<Recent>;
    put_snapshot(execution: ExecutionId, snapshot: &SnapshotRecord) -> ();
    claim(queues: &[String], limit: u32, reserve: Duration) -> Vec<TaskRecord>;
    unclaim(tasks: &[(ExecutionId, TaskId)]) -> ();
    release(execution: ExecutionId, task: TaskId, token: &TaskToken) -> ();
    task(execution: ExecutionId, task: TaskId) -> Option<TaskRecord>;
    tasks(execution: ExecutionId) -> Vec<TaskRecord>;
    heartbeat(execution: ExecutionId, task: TaskId, token: &TaskToken) -> bool;
    due_timers(limit: u32, reserve: Duration) -> (Vec<DueTimer>, Option<Timestamp>);
    expired_leases(limit: u32, deliveries_max: u32) -> Vec<TaskRecord>;
    backlog() -> Vec<(String, u64, Timestamp)>;
    stalled(idle: Duration, limit: u32) -> Vec<ExecutionId>;
    subscribe() -> Option<broadcast::Receiver<Hint>>;
    create_state_machine(machine: &StateMachineRecord) -> ();
    update_state_machine(machine: &StateMachineRecord) -> ();
    state_machine(arn: &str) -> Option<StateMachineRecord>;
    revision(revision: Uuid) -> Option<RevisionRecord>;
    list_state_machines(page: &Page) -> Paged<StateMachineRecord>;
    delete_state_machine(arn: &str) -> bool;
    create_activity(activity: &ActivityRecord) -> ActivityRecord;
    activity(arn: &str) -> Option<ActivityRecord>;
    list_activities(page: &Page) -> Paged<ActivityRecord>;
    delete_activity(arn: &str) -> bool;
    execution(arn: &str) -> Option<ExecutionRecord>;
    execution_by_id(id: ExecutionId) -> Option<ExecutionRecord>;
    list_executions(filter: &ExecutionFilter, page: &Page) -> Paged<ExecutionRecord>;
    history(execution: ExecutionId, query: &HistoryQuery) -> Vec<Event>;
    count_executions(since: Timestamp) -> Vec<(ExecutionStatus, u64)>;
    append_log(execution: ExecutionId, task: TaskId, lines: &[LogLine]) -> ();
    log(execution: ExecutionId, task: Option<TaskId>, after: i64, limit: u32) -> Vec<LogLine>;
    put_report(report: &ReportRecord) -> ();
    reports(execution: ExecutionId) -> Vec<ReportRecord>;
    put_pipeline(pipeline: &PipelineRecord) -> ();
    pipelines() -> Vec<PipelineRecord>;
    ledger(pipeline: &str, from: &str, to: &str) -> Vec<LedgerRow>;
    ledger_newest(pipeline: &str, limit: u32) -> Vec<LedgerRow>;
    queued_runs() -> Vec<LedgerRow>;
    post(messages: &[NewOutboxMessage]) -> ();
    change_ledger(changes: &[LedgerChange]) -> ();
    claim_outbox(limit: u32, reserve: Duration) -> Vec<OutboxMessage>;
    settle_outbox(settlements: &[OutboxSettlement]) -> ();
    outbox(limit: u32) -> Vec<OutboxMessage>;
    merge_tables(tables: &[CrawlTable]) -> ();
    tables() -> Vec<CrawlTable>;
    put_worker(worker: &WorkerRecord) -> ();
    workers(since: Timestamp) -> Vec<WorkerRecord>;
}
