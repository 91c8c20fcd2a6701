//! What the engine keeps in memory, all of it a copy of the store's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use asl::{Execution, StateMachine, TaskId, TaskToken};
use parking_lot::Mutex as SyncMutex;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::Error;
use crate::store::{ExecutionId, ExecutionRecord, RevisionRecord, StateMachineRecord, Store, TaskRecord};

/// How long a machine's current revision is believed without asking. AWS, too, lets StartExecution run the old
/// definition for a few seconds after an update; on the node that made the update it is forgotten at once.
const MACHINE_TTL: Duration = Duration::from_secs(1);
/// How long an activity is believed to exist without asking.
const ACTIVITY_TTL: Duration = Duration::from_secs(5);
/// Names kept by the small caches before they start anew.
const NAMES_MAX: usize = 10_000;

/// Tasks kept by [`Tasks`]; with the bytes below about 40 MB at the very most, and next to nothing as a rule.
const TASKS_MAX: usize = 10_000;
/// Tasks with a larger input are looked up when somebody reports on them.
const TASK_INPUT_BYTES_MAX: usize = 4096;

/// An execution as it stood after the last commit this node knows of.
pub(super) struct Cached {
    pub(super) execution: Execution,
    pub(super) record: Arc<ExecutionRecord>,
    pub(super) machine: Arc<Machine>,
}

/// A definition, read once.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) definition: Arc<StateMachine>,
    pub(super) revision: RevisionRecord,
}

/// One execution's place: its lock, and what is known of it.
pub(super) type Slot = Arc<Mutex<Option<Cached>>>;

/// Executions of late.
pub(super) struct Executions {
    slots: SyncMutex<HashMap<ExecutionId, (Slot, Instant)>>,
    max: usize,
}

impl Executions {
    pub(super) fn new(max: usize) -> Self {
        Self { slots: SyncMutex::new(HashMap::new()), max }
    }

    /// The place of `id`, empty if it is not known.
    pub(super) fn slot(&self, id: ExecutionId) -> Slot {
        let mut slots = self.slots.lock();
        if slots.len() >= self.max && !slots.contains_key(&id) {
            // Make room: what nobody uses goes, the longest unused half first.
            let mut idle: Vec<_> = slots
                .iter()
                .filter(|(_, (slot, _))| Arc::strong_count(slot) == 1)
                .map(|(id, (_, used))| (*used, *id))
                .collect();
            idle.sort_unstable();
            for (_, id) in idle.iter().take(idle.len().div_ceil(2)) {
                slots.remove(id);
            }
        }
        let entry = slots.entry(id).or_insert_with(|| (Slot::default(), Instant::now()));
        entry.1 = Instant::now();
        entry.0.clone()
    }

    /// Forgets an execution that has ended.
    pub(super) fn remove(&self, id: ExecutionId) {
        self.slots.lock().remove(&id);
    }
}

/// Machines and revisions of late.
#[derive(Default)]
pub(super) struct Machines {
    revisions: SyncMutex<HashMap<Uuid, Arc<Machine>>>,
    current: SyncMutex<HashMap<String, (Arc<StateMachineRecord>, Instant)>>,
}

impl Machines {
    /// The machine with its current revision, at most [`MACHINE_TTL`] old.
    pub(super) async fn current(
        &self,
        store: &dyn Store,
        arn: &str,
    ) -> crate::store::Result<Option<Arc<StateMachineRecord>>> {
        if let Some((record, at)) = self.current.lock().get(arn)
            && at.elapsed() < MACHINE_TTL
        {
            return Ok(Some(record.clone()));
        }
        let Some(record) = store.state_machine(arn).await? else { return Ok(None) };
        let record = Arc::new(record);
        let mut current = self.current.lock();
        if current.len() >= NAMES_MAX {
            current.clear();
        }
        current.insert(arn.to_owned(), (record.clone(), Instant::now()));
        Ok(Some(record))
    }

    /// Forgets the current revision of `arn`.
    pub(super) fn forget(&self, arn: &str) {
        self.current.lock().remove(arn);
    }

    /// The definition of a revision the caller has at hand.
    pub(super) fn read(&self, revision: &RevisionRecord) -> Result<Arc<Machine>, Error> {
        if let Some(machine) = self.revisions.lock().get(&revision.id) {
            return Ok(machine.clone());
        }
        // Express machines are checked more strictly when they are created; what is stored was valid then.
        let definition = StateMachine::parse(&revision.definition, false).map_err(|_| Error::Revision(revision.id))?;
        let machine = Arc::new(Machine { definition: Arc::new(definition), revision: revision.clone() });
        let mut revisions = self.revisions.lock();
        if revisions.len() >= NAMES_MAX {
            revisions.clear();
        }
        revisions.insert(revision.id, machine.clone());
        Ok(machine)
    }

    /// The definition of a revision by its key.
    pub(super) async fn revision(&self, store: &dyn Store, id: Uuid) -> Result<Arc<Machine>, Error> {
        if let Some(machine) = self.revisions.lock().get(&id) {
            return Ok(machine.clone());
        }
        let revision = store.revision(id).await?.ok_or(Error::Revision(id))?;
        self.read(&revision)
    }
}

/// Which activities exist.
#[derive(Default)]
pub(super) struct Activities(SyncMutex<HashMap<String, Instant>>);

impl Activities {
    pub(super) async fn exists(&self, store: &dyn Store, arn: &str) -> crate::store::Result<bool> {
        if self.0.lock().get(arn).is_some_and(|at| at.elapsed() < ACTIVITY_TTL) {
            return Ok(true);
        }
        let exists = store.activity(arn).await?.is_some();
        if exists {
            let mut known = self.0.lock();
            if known.len() >= NAMES_MAX {
                known.clear();
            }
            known.insert(arn.to_owned(), Instant::now());
        }
        Ok(exists)
    }

    pub(super) fn forget(&self, arn: &str) {
        self.0.lock().remove(arn);
    }
}

/// Tasks this node has handed out: what a report on one is about, without asking the store. Whether the task is still the
/// one's who reports is up to the guard of the commit.
#[derive(Default)]
pub(super) struct Tasks(SyncMutex<BTreeMap<(ExecutionId, TaskId), Arc<TaskRecord>>>);

impl Tasks {
    /// A task was started; `task` has the token of its taker.
    pub(super) fn put(&self, task: TaskRecord) {
        if task.input.len() > TASK_INPUT_BYTES_MAX {
            return;
        }
        let mut tasks = self.0.lock();
        if tasks.len() >= TASKS_MAX {
            // Their takers are gone or slow; whoever reports after all is looked up.
            tasks.clear();
        }
        tasks.insert((task.execution, task.task), Arc::new(task));
    }

    /// The task, if it was handed out with this token.
    pub(super) fn get(&self, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Option<Arc<TaskRecord>> {
        let tasks = self.0.lock();
        tasks.get(&(execution, task)).filter(|known| known.token.as_ref() == Some(token)).cloned()
    }

    /// The task is over, or somebody else's.
    pub(super) fn forget(&self, execution: ExecutionId, task: TaskId) {
        self.0.lock().remove(&(execution, task));
    }

    /// The execution is over.
    pub(super) fn forget_all_of(&self, execution: ExecutionId) {
        let mut tasks = self.0.lock();
        let first = (execution, TaskId(0));
        while let Some(key) = tasks.range(first..=(execution, TaskId(u64::MAX))).next().map(|(key, _)| *key) {
            tasks.remove(&key);
        }
    }
}
