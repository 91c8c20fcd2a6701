//! What must hold after every commit: seen from beside the store, by a second bookkeeping made of the events alone.

use std::collections::{BTreeMap, BTreeSet};

use asl::execution::EventKind;
use asl::{Event, Execution, Status, TaskId, TimerId, TimerKind, apply, replay};
use futures::FutureExt as _;
use orchestrator::engine::{EndEffects, Ending, Hooks, StartEffects, TakenTask};
use orchestrator::store::{Commit, CommitResult, ExecutionId, ExecutionRecord, MemoryStore, Store, TaskStatus};
use parking_lot::Mutex;

use crate::machine::{self, Machine};
use crate::messages::Messages;

/// The timer that stands for a lost continuation: event 0 is nobody else's.
const CONTINUATION: TimerId = TimerId { event: 0, kind: TimerKind::Wait };

/// An execution as its events make it, and the timers that its commits leave.
struct Shadow {
    machine: &'static Machine,
    execution: Execution,
    timers: BTreeSet<TimerId>,
    started: BTreeSet<TaskId>,
    over: BTreeSet<TaskId>,
}

#[derive(Default)]
struct Seen {
    failure: Option<String>,
    trace: Option<Vec<String>>,
    stale: u64,
    fingerprint: u64,
    shadows: BTreeMap<ExecutionId, Shadow>,
    tokens: BTreeSet<String>,
    messages: Messages,
}

/// Sees every commit; keeps the first thing that is wrong.
pub struct Observer(Mutex<Seen>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// `traced` keeps the list of steps; it costs time, so only a run that is repeated does.
    pub fn new(traced: bool) -> Self {
        Self(Mutex::new(Seen { trace: traced.then(Vec::new), ..Seen::default() }))
    }

    /// Something is wrong. The first thing counts.
    pub fn fail(&self, what: String) {
        self.note(|| format!("WRONG: {what}"));
        self.0.lock().failure.get_or_insert(what);
    }

    pub fn failure(&self) -> Option<String> {
        self.0.lock().failure.clone()
    }

    /// A step of the run.
    pub fn note(&self, step: impl FnOnce() -> String) {
        let mut seen = self.0.lock();
        if let Some(trace) = &mut seen.trace {
            trace.push(step());
        }
    }

    pub fn steps(&self) -> Vec<String> {
        self.0.lock().trace.clone().unwrap_or_default()
    }

    /// How many commits found that another was faster.
    pub fn stale(&self) -> u64 {
        self.0.lock().stale
    }

    /// A number made of everything that was committed: equal runs have equal ones.
    pub fn fingerprint(&self) -> u64 {
        self.0.lock().fingerprint
    }

    /// What was asked of the engines and what they answered.
    pub fn messages<T>(&self, look: impl FnOnce(&mut Messages) -> T) -> T {
        look(&mut self.0.lock().messages)
    }

    /// The execution as its events make it.
    pub fn execution(&self, id: ExecutionId) -> Option<Execution> {
        self.0.lock().shadows.get(&id).map(|shadow| shadow.execution.clone())
    }

    /// All executions that were ever created, and whether they still run.
    pub fn executions(&self) -> Vec<(ExecutionId, bool)> {
        let seen = self.0.lock();
        seen.shadows.iter().map(|(id, shadow)| (*id, shadow.execution.status == Status::Running)).collect()
    }

    /// A worker was handed a task.
    pub fn taken(&self, task: &TakenTask) {
        let callback = matches!(
            &task.resource,
            asl::execution::Resource::Service { pattern: asl::definition::Pattern::WaitForTaskToken, .. }
        );
        let fresh = self.0.lock().tokens.insert(task.token.as_str().to_owned());
        if !fresh && !callback {
            self.fail(format!("task {} of {} was handed out twice with one token", task.task.0, task.execution));
        }
    }

    /// A batch and what became of it.
    pub fn committed(&self, store: &MemoryStore, batch: &[Commit], results: &[CommitResult]) {
        let mut wrong = Vec::new();
        for (commit, result) in batch.iter().zip(results) {
            self.note(|| format!("{result:?} {}", outline(commit)).chars().take(300).collect());
            let mut seen = self.0.lock();
            seen.stale += u64::from(matches!(result, CommitResult::Stale));
            if matches!(result, CommitResult::Committed)
                && let Err(error) = seen.held(store, commit)
            {
                wrong.push(format!("{}: {error}", commit.execution));
            }
        }
        wrong.into_iter().for_each(|wrong| self.fail(wrong));
    }
}

fn outline(commit: &Commit) -> String {
    let kinds: Vec<String> = commit.events.iter().map(|event| format!("{}{}", event.id, kind(event))).collect();
    format!("{} from {}: {}", &commit.execution.to_string()[24..], commit.expected, kinds.join(" "))
}

fn kind(event: &Event) -> String {
    let text = format!("{:?}", event.kind);
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

impl Seen {
    fn held(&mut self, store: &MemoryStore, commit: &Commit) -> Result<(), String> {
        for event in &commit.events {
            let sum = event.id ^ event.at.millis().unsigned_abs() ^ commit.execution.as_u128() as u64;
            self.fingerprint = self.fingerprint.rotate_left(7).wrapping_mul(0x0100_0000_01b3) ^ sum;
            self.messages.happened(commit.execution, event)?;
        }
        if let Some(new) = &commit.create {
            let name = new.record.state_machine_arn.rsplit(':').next().unwrap_or_default();
            let machine = machine::named(name);
            let execution = replay(&machine.definition, &commit.events).map_err(|error| error.to_string())?;
            let shadow =
                Shadow { machine, execution, timers: BTreeSet::new(), started: BTreeSet::new(), over: BTreeSet::new() };
            if self.shadows.insert(commit.execution, shadow).is_some() {
                return Err("it was created twice".to_owned());
            }
        }
        let shadow = self.shadows.get_mut(&commit.execution).ok_or("it was never created")?;
        if commit.create.is_none() {
            if shadow.execution.status != Status::Running {
                return Err("something happened after its end".to_owned());
            }
            for event in &commit.events {
                apply(&mut shadow.execution, shadow.machine.definition.as_ref(), event).map_err(|e| e.to_string())?;
            }
        }
        shadow.once(&commit.events)?;
        shadow.timers.extend(commit.timers.iter().map(|timer| timer.timer));
        for timer in &commit.timers_gone {
            shadow.timers.remove(timer);
        }
        shadow.compare(store, commit)
    }
}

impl Shadow {
    /// A task is started once and has one outcome, and every public event points back.
    fn once(&mut self, events: &[Event]) -> Result<(), String> {
        for event in events {
            let twice = match &event.kind {
                EventKind::TaskStarted { task, .. } => !self.started.insert(*task),
                EventKind::TaskSucceeded { task, .. }
                | EventKind::TaskFailed { task, .. }
                | EventKind::TaskTimedOut { task, .. } => !self.over.insert(*task),
                _ => false,
            };
            if twice {
                return Err(format!("event {} says for the second time what became of its task", event.id));
            }
            if event.public.is_some_and(|public| public.previous >= public.id) {
                return Err(format!("event {} does not point back", event.id));
            }
        }
        Ok(())
    }

    /// The rows are what the events say: open tasks, timers, the end.
    fn compare(&mut self, store: &MemoryStore, commit: &Commit) -> Result<(), String> {
        let id = commit.execution;
        let ended = self.execution.status != Status::Running;
        if commit.end.is_some() != ended {
            return Err("its row and its events disagree about its end".to_owned());
        }
        if ended {
            self.timers.clear();
        }
        let mut timers: BTreeSet<TimerId> = self.execution.open_timers().into_iter().map(|(timer, _)| timer).collect();
        if self.execution.is_unfinished() {
            timers.insert(CONTINUATION);
        }
        if timers != self.timers {
            return Err(format!("it waits for the timers {timers:?} and has {:?}", self.timers));
        }
        let rows = at_once(store.tasks(id))?;
        let open: BTreeMap<TaskId, bool> =
            self.execution.open_tasks().map(|(_, task)| (task.task, task.started_at.is_some())).collect();
        if !rows.iter().map(|row| row.task).eq(open.keys().copied()) {
            return Err(format!("its open tasks are {open:?}, its rows {:?}", rows.iter().map(|row| row.task)));
        }
        if let Some(row) = rows.iter().find(|row| row.status == TaskStatus::Started && !open[&row.task]) {
            return Err(format!("task {} was started without an event", row.task.0));
        }
        Ok(())
    }
}

/// The answer of a store that never waits.
pub fn at_once<T>(call: impl Future<Output = orchestrator::store::Result<T>>) -> Result<T, String> {
    call.now_or_never().ok_or("the memory store waits")?.map_err(|error| error.to_string())
}

/// Looks at an engine's own copy of an execution whenever one ends: it is what replay makes.
#[derive(Debug)]
pub struct Auditor {
    pub store: MemoryStore,
    pub observer: std::sync::Arc<Observer>,
}

impl Hooks for Auditor {
    fn starting(&self, _: &mut ExecutionRecord) -> StartEffects {
        StartEffects::default()
    }

    fn ending(&self, ending: &Ending<'_>) -> EndEffects {
        if let Err(error) = self.audit(ending) {
            self.observer.fail(format!("{}: {error}", ending.record.id));
        }
        EndEffects::default()
    }
}

impl Auditor {
    fn audit(&self, ending: &Ending<'_>) -> Result<(), String> {
        let live = ending.execution;
        // One that ends within its first commit has no journal yet.
        let Some(loaded) = at_once(self.store.load(ending.record.id))? else { return Ok(()) };
        let events: Vec<Event> = loaded.events.into_iter().filter(|event| event.id <= live.last_event_id).collect();
        let machine = machine::named(&live.identity.state_machine_name);
        let replayed = replay(&machine.definition, &events).map_err(|error| error.to_string())?;
        let value = |execution: &Execution| serde_json::to_value(execution).map_err(|error| error.to_string());
        if value(&replayed)? != value(live)? {
            return Err(format!("at event {} a node remembers it otherwise than replay makes it", live.last_event_id));
        }
        Ok(())
    }
}
