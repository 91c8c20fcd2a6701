//! The engine: load an execution, let [`asl::decide`] say what happens next, commit it, hand out what became visible.
//!
//! The store is the truth, memory only a cache; any number of engines may run on one store and any may die at any time.
//! All concurrency control there is: the commit's guard, and a lock per execution that spares one process useless races.
//! No SQL and no rule of the language stands here.
//!
//! | file | topic |
//! |---|---|
//! | `turn` | one stimulus after another: load, decide, commit |
//! | `draft` | what a round of deciding comes to |
//! | `ends` | waiting for executions to end, for what an end may leave to do |
//! | `settle`, `patience` | commits whose answer is certain, whatever the connection does |
//! | `committer` | folds the commits of all turns into one transaction |
//! | `snapshot` | long executions without a long replay |
//! | `cache` | executions and machines of late |
//! | `dispatch`, `look` | who waits for tasks, the hand-over within a commit, and looks for what nobody was handed |
//! | `parcel` | tasks whose taker went away |
//! | `binding` | which queue a task goes to, and what a local stand-in's result looks like |
//! | `place` | whether a Glue job or function of a name is a worker's or AWS's |
//! | `give_up` | what is stopped elsewhere when its task is given up |
//! | `start`, `report`, `stop` | what callers ask for |
//! | `sweep` | timers, leases, lost continuations |

mod binding;
mod cache;
mod chance;
mod clock;
mod committer;
mod dispatch;
mod draft;
mod ends;
mod error;
mod give_up;
mod hooks;
mod look;
mod parcel;
mod patience;
mod place;
mod report;
mod settle;
mod snapshot;
mod start;
mod sweep;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use asl::StateMachine;
use asl::execution::Limits;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub use binding::{job_run_id, lambda_name};
pub use chance::Chance;
pub use clock::Clock;
pub use dispatch::TakenTask;
pub use error::{Error, ReportError, StartError};
pub(crate) use give_up::ON_GIVE_UP;
pub use hooks::{EndEffects, Ending, Hooks, NoHooks, StartEffects};
pub use place::{Binding, ON_SPARK, Place};
pub use start::{StartRequest, Started};

use crate::store::{Hint, RevisionRecord, Store};

/// The engine's settings. Every duration has its reason beside it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The region in ARNs and events.
    pub region: Arc<str>,
    /// The account in ARNs.
    pub account: Arc<str>,
    /// AWS's quotas, or higher ones.
    pub limits: Limits,
    /// How long a job's or function's task is its worker's without a heartbeat. Workers send one every few seconds;
    /// this allows a worker's machine a long pause, and is the wait before a killed worker's job goes to another.
    pub lease: Duration,
    /// How often a task goes to another worker because its lease expired, before it fails.
    pub redeliveries_max: u32,
    /// How long a claimed task stays reserved for the turn that starts it.
    pub reserve: Duration,
    /// The longest pause between two looks at the store for timers and tasks that no hint announced.
    pub poll: Duration,
    /// Whether Glue jobs and crawlers that neither a sheet nor a worker has are AWS's.
    pub aws_glue: bool,
    /// How many in-process integration calls run at once.
    pub integration_slots: usize,
    /// How many commits one transaction takes at most.
    pub batch_max: usize,
    /// How many executions are kept in memory at most.
    pub cache_max: usize,
    /// After so many events a snapshot is written, so that a replay has no more of them. Reading a thousand takes
    /// milliseconds.
    pub snapshot_events: u64,
    /// How long a turn goes on trying when the database is away.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "us-east-1".into(),
            account: "123456789012".into(),
            limits: Limits::default(),
            lease: Duration::from_secs(20),
            redeliveries_max: 3,
            reserve: Duration::from_secs(10),
            poll: Duration::from_secs(5),
            aws_glue: false,
            integration_slots: 64,
            batch_max: 256,
            cache_max: 20_000,
            snapshot_events: 1_000,
            patience: Duration::from_secs(15),
        }
    }
}

/// A handle on the engine; cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: Config,
    store: Arc<dyn Store>,
    clock: Clock,
    chance: Chance,
    committer: committer::Committer,
    executions: cache::Executions,
    machines: cache::Machines,
    activities: cache::Activities,
    tasks: cache::Tasks,
    dispatch: dispatch::Dispatch,
    timers: sweep::Alarm,
    bindings: place::Bindings,
    hooks: Arc<dyn Hooks>,
    changes: broadcast::Sender<Hint>,
    shutdown: CancellationToken,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("store", &self.0.store).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine on `store`. Its committer runs from now on; [`Engine::run`] adds timers and leases.
    ///
    /// `hooks` adds what stands beside an execution (ledger, alerts) to its first and last commit.
    pub fn new(store: Arc<dyn Store>, clock: Clock, config: Config, hooks: Arc<dyn Hooks>) -> Self {
        Self::with_chance(store, clock, config, hooks, Chance::system())
    }

    /// [`Engine::new`] with its randomness from elsewhere: how a simulation makes its runs repeatable.
    pub fn with_chance(
        store: Arc<dyn Store>,
        clock: Clock,
        config: Config,
        hooks: Arc<dyn Hooks>,
        chance: Chance,
    ) -> Self {
        let shutdown = CancellationToken::new();
        // Lagging subscribers only miss hints; they look at the store anyway.
        let (changes, _) = broadcast::channel(1024);
        Self(Arc::new(Inner {
            committer: committer::Committer::spawn(store.clone(), config.batch_max, shutdown.clone()),
            executions: cache::Executions::new(config.cache_max),
            machines: cache::Machines::default(),
            activities: cache::Activities::default(),
            tasks: cache::Tasks::default(),
            dispatch: dispatch::Dispatch::default(),
            timers: sweep::Alarm::default(),
            config,
            store,
            clock,
            chance,
            bindings: place::Bindings::default(),
            hooks,
            changes,
            shutdown,
        }))
    }

    /// The store behind the engine.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Now, by the store's clock.
    pub fn now(&self) -> asl::Timestamp {
        self.0.clock.now()
    }

    /// Hints of what this node and others changed; for live pages.
    pub fn changes(&self) -> broadcast::Receiver<Hint> {
        self.0.changes.subscribe()
    }

    /// Tells pages and other waiters on this node that something changed.
    pub fn announce(&self, hint: Hint) {
        // Nobody listening is fine.
        let _ = self.0.changes.send(hint);
    }

    /// Stops handing out work and the background loops; commits in flight finish.
    pub fn shut_down(&self) {
        self.0.shutdown.cancel();
    }

    /// Cancelled when the engine shuts down.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }

    /// Forgets what is cached of a machine, after it was changed or deleted on this node.
    pub fn forget_machine(&self, arn: &str) {
        self.0.machines.forget(arn);
    }

    /// Forgets whether an activity exists, after it was created or deleted on this node.
    pub fn forget_activity(&self, arn: &str) {
        self.0.activities.forget(arn);
    }

    /// Whether an activity exists, as of a few seconds ago at most.
    pub async fn activity_exists(&self, arn: &str) -> Result<bool, Error> {
        Ok(self.0.activities.exists(&*self.0.store, arn).await?)
    }

    /// A stored definition, parsed once.
    pub fn definition(&self, revision: &RevisionRecord) -> Result<Arc<StateMachine>, Error> {
        self.0.machines.read(revision).map(|machine| machine.definition.clone())
    }

    /// Pollers of `queue` that wait on this node right now.
    pub fn waiting_pollers(&self, queue: &str) -> usize {
        self.0.dispatch.waiting(queue)
    }
}
