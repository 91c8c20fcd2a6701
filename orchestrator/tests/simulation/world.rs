//! The world of one run: a store that survives, nodes that do not, and time that passes only while everybody waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use asl::Timestamp;
use asl::execution::Limits;
use orchestrator::engine::{self, Binding, Chance, Clock, Engine};
use orchestrator::store::{
    ActivityRecord, ExecutionId, ExecutionRecord, HistoryQuery, MemoryStore, RevisionRecord, StateMachineRecord,
    StateMachineStatus, StateMachineType, Store,
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dice::Dice;
use crate::machine::{self, Machine};
use crate::observer::{Auditor, Observer, at_once};
use crate::wire::{CrashPoint, Sky, Weather, Wire};

/// When every run begins.
const BEGINNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub nodes: usize,
    pub weather: Weather,
    pub crash_point: Option<CrashPoint>,
    /// How long a node stays down at most, in milliseconds.
    pub down_millis_max: u64,
    /// How far a node's clock may be off before it is corrected, in milliseconds.
    pub skew_millis_max: u64,
    pub redeliveries_max: u32,
    /// Whether the list of steps is kept.
    pub traced: bool,
}

impl Plan {
    /// One node, and nothing goes wrong.
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            nodes: 1,
            weather: Weather::default(),
            crash_point: None,
            down_millis_max: 2_000,
            skew_millis_max: 0,
            redeliveries_max: 3,
            traced: false,
        }
    }
}

/// A process that runs an engine.
#[derive(Clone)]
pub struct Node {
    pub engine: Engine,
    /// Cancelled when the process dies.
    pub gone: CancellationToken,
}

/// Everything there is.
pub struct World {
    pub plan: Plan,
    pub sky: Arc<Sky>,
    pub observer: Arc<Observer>,
    nodes: Vec<Mutex<Option<Node>>>,
    incarnations: AtomicU64,
    calm: AtomicBool,
    over: AtomicBool,
    /// Actors that have not finished what must be finished before the run may end.
    busy: AtomicU64,
    beginning: Instant,
}

impl World {
    /// Must be called within a runtime whose time is paused.
    pub async fn new(plan: Plan) -> Arc<Self> {
        let beginning = Instant::now();
        let store = MemoryStore::with_clock(Arc::new(move || now_since(beginning)));
        for machine in machine::all() {
            store.create_state_machine(&stored(machine)).await.expect("a new store takes machines");
        }
        let activity = ActivityRecord {
            arn: machine::ACTIVITY.to_owned(),
            name: "act".to_owned(),
            created_at: BEGINNING,
            tags: json!([]),
        };
        store.create_activity(&activity).await.expect("a new store takes activities");
        let observer = Arc::new(Observer::new(plan.traced));
        let sky = Arc::new(Sky {
            store,
            observer: observer.clone(),
            weather: Mutex::new(plan.weather),
            crash_point: plan.crash_point,
            commits: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        });
        let nodes = (0..plan.nodes).map(|_| Mutex::new(None)).collect();
        let (incarnations, busy) = (AtomicU64::new(0), AtomicU64::new(0));
        let (calm, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let world = Arc::new(Self { plan, sky, observer, nodes, incarnations, calm, over, busy, beginning });
        for place in 0..world.nodes.len() {
            *world.nodes[place].lock() = Some(world.boot());
            tokio::spawn(world.clone().keep_up(place));
        }
        world
    }

    /// Another process.
    pub fn boot(&self) -> Node {
        let number = self.incarnations.fetch_add(1, Ordering::Relaxed);
        let name = format!("node {number}");
        let mut dice = Dice::new(self.plan.seed, &name);
        let skew = i64::try_from(dice.below(2 * self.plan.skew_millis_max + 1)).unwrap_or(0);
        let skew = skew - i64::try_from(self.plan.skew_millis_max).unwrap_or(0);
        let chance = Chance::seeded(dice.below(u64::MAX));
        let gone = CancellationToken::new();
        let wire = Wire::new(self.sky.clone(), name, dice, gone.clone());
        let beginning = self.beginning;
        let clock = Clock::custom(move || now_since(beginning).plus_millis(skew));
        let hooks = Auditor { store: self.sky.store.clone(), observer: self.observer.clone() };
        let config = engine::Config {
            limits: Limits { turn_events_max: 9, history_events_max: 260, ..Limits::default() },
            redeliveries_max: self.plan.redeliveries_max,
            // Few, so that many are written and read.
            snapshot_events: 13,
            ..engine::Config::default()
        };
        let engine = Engine::with_chance(Arc::new(wire), clock, config, Arc::new(hooks), chance);
        engine.bind("bound", machine::BOUND.map(|name| (name.to_owned(), Binding::Worker)));
        Node { engine, gone }
    }

    /// Keeps a node's loops running while it lives, and starts it anew when it died.
    async fn keep_up(self: Arc<Self>, place: usize) {
        let mut dice = Dice::new(self.plan.seed, &format!("place {place}"));
        loop {
            let node = self.nodes[place].lock().clone();
            let node = node.unwrap_or_else(|| self.boot());
            *self.nodes[place].lock() = Some(node.clone());
            let engine = node.engine.clone();
            let loops = tokio::spawn(async move { engine.run().await });
            node.gone.cancelled().await;
            loops.abort();
            *self.nodes[place].lock() = None;
            self.observer.note(|| format!("place {place} is down"));
            tokio::time::sleep(dice.pause(self.plan.down_millis_max)).await;
        }
    }

    /// Calls one of the engines, as a client does. `None`: the connection broke, and what happened is unknown.
    pub async fn call<T, F: Future<Output = T>>(&self, dice: &mut Dice, what: impl FnOnce(Engine) -> F) -> Option<T> {
        let places: Vec<usize> = (0..self.nodes.len()).collect();
        let place = dice.pick(&places);
        self.call_at(place, dice, what).await
    }

    /// [`World::call`] of the engine at this place.
    pub async fn call_at<T, F: Future<Output = T>>(
        &self,
        place: usize,
        dice: &mut Dice,
        what: impl FnOnce(Engine) -> F,
    ) -> Option<T> {
        let node = self.nodes[place].lock().clone();
        let Some(node) = node else {
            tokio::time::sleep(Duration::from_millis(300)).await;
            return None;
        };
        let hang_up = self.sky.weather.lock().hang_up;
        // Most who hang up do so while something is happening, that is: soon.
        let patience = dice.chance(hang_up).then(|| if dice.chance(0.7) { dice.pause(80) } else { dice.pause(8_000) });
        let hangs_up = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = node.gone.cancelled() => None,
            answer = what(node.engine.clone()) => Some(answer),
            () = hangs_up => None,
        }
    }

    /// From now on nothing goes wrong any more.
    pub fn calm_down(&self) {
        *self.sky.weather.lock() = Weather::default();
        self.calm.store(true, Ordering::Relaxed);
        self.observer.note(|| "calm".to_owned());
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Whether every execution has ended, so that nobody need wait for tasks any more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Lets it storm for at most so long, less if everything has come to its end.
    pub async fn storm(&self, storm: Duration) {
        let end = Instant::now() + storm;
        while Instant::now() < end && self.is_busy() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.calm_down();
    }

    fn is_busy(&self) -> bool {
        let running = self.observer.executions().into_iter().any(|(_, running)| running);
        running || self.busy.load(Ordering::Relaxed) > 0
    }

    /// Runs something that must come to its end before the run may.
    pub fn must_finish(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let world = self.clone();
        tokio::spawn(async move {
            task.await;
            world.busy.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Waits until every execution has ended and everything is said, then looks at what is left.
    pub async fn finish(&self) {
        let deadline = Instant::now() + Duration::from_secs(3 * 3600);
        while self.observer.failure().is_none() {
            if !self.is_busy() {
                break;
            }
            if Instant::now() > deadline {
                let running = self.observer.executions().into_iter().filter(|(_, running)| *running);
                let stuck: Vec<String> = running.map(|(id, _)| self.describe(id)).collect();
                return self.observer.fail(format!("messages flow again and nothing moves: {stuck:#?}"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // What is still on its way arrives.
        self.over.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(40)).await;
        if let Err(wrong) = self.check_end() {
            self.observer.fail(wrong);
        }
    }

    fn describe(&self, id: ExecutionId) -> String {
        let open: Vec<String> = self
            .observer
            .execution(id)
            .iter()
            .flat_map(|execution| execution.open_states().map(|open| format!("{:?}", open.state)).collect::<Vec<_>>())
            .collect();
        let rows = at_once(self.sky.store.tasks(id));
        format!("{id}: {open:?} rows {rows:?}").chars().take(3_000).collect()
    }

    fn check_end(&self) -> Result<(), String> {
        self.observer.messages(|messages| messages.check())?;
        let store = &self.sky.store;
        for (id, _) in self.observer.executions() {
            let wrong = |what: &str| Err(format!("{id}: {what}"));
            let shadow = self.observer.execution(id).ok_or("an execution went away")?;
            let loaded = at_once(store.load(id))?.ok_or("an execution has no row")?;
            if !loaded.events.iter().map(|event| event.id).eq(1..=shadow.last_event_id) {
                return wrong("its journal has gaps");
            }
            let history = at_once(store.history(id, &HistoryQuery { limit: 10_000, ..HistoryQuery::default() }))?;
            let public = history.iter().filter_map(|event| event.public);
            if !public.map(|public| public.id).eq(1..=shadow.last_public_id) {
                return wrong("its history has gaps");
            }
            let machine = machine::named(&shadow.identity.state_machine_name);
            let replayed = asl::replay(&machine.definition, &loaded.events).map_err(|error| error.to_string())?;
            if serde_json::to_value(&replayed).ok() != serde_json::to_value(&shadow).ok() {
                return wrong("replay makes something else of it");
            }
            if loaded.record.stopped_at.is_none() || !at_once(store.tasks(id))?.is_empty() {
                return wrong("it left a task or has no end");
            }
        }
        if !at_once(store.backlog())?.is_empty() {
            return Err("tasks of nobody wait".to_owned());
        }
        match at_once(store.due_timers(1_000, Duration::ZERO))? {
            (due, None) if due.is_empty() => Ok(()),
            left => Err(format!("timers of nobody are left: {left:?}")),
        }
    }

    /// What the store says of an execution.
    pub fn record(&self, id: ExecutionId) -> Option<ExecutionRecord> {
        at_once(self.sky.store.execution_by_id(id)).ok().flatten()
    }

    /// The public history as `id type<-previous name` lines.
    pub fn history(&self, id: ExecutionId) -> Vec<String> {
        let events = at_once(self.sky.store.history(id, &HistoryQuery { limit: 10_000, ..HistoryQuery::default() }));
        let shown = events.unwrap_or_default().into_iter().filter_map(|event| asl::history::project(&event, true));
        let name = |event: &serde_json::Value| {
            let details = event.as_object().into_iter().flatten().find(|(key, _)| key.ends_with("Details"));
            details.map(|(_, details)| details["name"].to_string()).unwrap_or_default()
        };
        shown.map(|e| format!("{} {}<-{} {}", e["id"], e["type"], e["previousEventId"], name(&e))).collect()
    }

    /// By the names of their machines, what the executions that succeeded gave.
    pub fn outputs(&self) -> BTreeMap<ExecutionId, (String, Option<String>)> {
        let records = self.observer.executions().into_iter().filter_map(|(id, _)| self.record(id));
        let machine =
            |record: &ExecutionRecord| record.state_machine_arn.rsplit(':').next().unwrap_or_default().to_owned();
        records.map(|record| (record.id, (machine(&record), record.output))).collect()
    }
}

fn now_since(beginning: Instant) -> Timestamp {
    BEGINNING.plus_millis(i64::try_from(beginning.elapsed().as_millis()).unwrap_or(i64::MAX))
}

/// The ARN of a machine.
pub fn arn(machine: &Machine) -> String {
    format!("arn:aws:states:us-east-1:123456789012:stateMachine:{}", machine.name)
}

/// The machine as the store keeps it.
pub fn stored(machine: &Machine) -> StateMachineRecord {
    let revision = RevisionRecord {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, machine.name.as_bytes()),
        state_machine_arn: arn(machine),
        number: 1,
        definition: machine.text.clone(),
        role_arn: "arn:aws:iam::123456789012:role/simulation".to_owned(),
        logging: json!(null),
        tracing: json!(null),
        encryption: json!(null),
        created_at: BEGINNING,
    };
    StateMachineRecord {
        arn: arn(machine),
        name: machine.name.to_owned(),
        kind: StateMachineType::Standard,
        status: StateMachineStatus::Active,
        created_at: BEGINNING,
        revision,
        tags: json!([]),
    }
}
