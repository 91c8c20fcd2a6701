//! Which commits of a batch hold, and what the held ones change together.
//!
//! The stores differ in how they look facts up and how they write; what a batch means is decided here, once, in the
//! order of the batch. A store reads [`Facts`] under its locks, calls [`admit`], and writes the [`Changes`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use asl::{Event, EventId, TaskId, TaskToken, TimerId, Timestamp};
use serde_json::Value;

use super::record::CrawlTable;
use super::{
    Commit, CommitResult, End, ExecutionId, ExecutionRecord, Hint, LedgerRow, NewOutboxMessage, NewTask, TaskChange,
    TaskStart, ledger,
};

/// What has to be looked up before a batch can be judged.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Executions that exist, ascending: locks taken in this order cannot deadlock.
    pub executions: Vec<ExecutionId>,
    /// Tasks that somebody wants to start.
    pub starts: Vec<(ExecutionId, TaskId)>,
    /// Tasks that must still have the token somebody reports with.
    pub held: Vec<(ExecutionId, TaskId)>,
    /// Machines of new executions.
    pub machines: Vec<String>,
    /// ARNs of new executions.
    pub arns: Vec<String>,
    /// Rows of the ledger, ascending.
    pub ledger: BTreeSet<ledger::Key>,
}

impl Questions {
    /// What `batch` depends on.
    pub(super) fn of(batch: &[Commit]) -> Self {
        let mut questions = Self::default();
        let mut machines = BTreeSet::new();
        for commit in batch {
            match &commit.create {
                Some(new) => {
                    machines.insert(new.record.state_machine_arn.clone());
                    questions.arns.push(new.record.arn.clone());
                }
                None => questions.executions.push(commit.execution),
            }
            questions.starts.extend(commit.task_changes.iter().filter_map(|change| match change {
                TaskChange::Start { task, .. } => Some((commit.execution, *task)),
                TaskChange::Submitted { .. } | TaskChange::Gone { .. } => None,
            }));
            questions.held.extend(commit.held.iter().map(|(task, _)| (commit.execution, *task)));
            questions.ledger.extend(commit.ledger.iter().map(ledger::key));
        }
        questions.executions.sort_unstable();
        questions.machines = machines.into_iter().collect();
        questions
    }
}

/// What the store knows about the things a batch asks for.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// `last_event_id` and `last_public_id` of the executions that exist.
    pub executions: HashMap<ExecutionId, (EventId, EventId)>,
    /// Which of the tasks to start are `SCHEDULED`.
    pub scheduled: HashSet<(ExecutionId, TaskId)>,
    /// The tokens of the tasks that are held.
    pub tokens: HashMap<(ExecutionId, TaskId), TaskToken>,
    /// Which machines are `ACTIVE`.
    pub active: HashSet<String>,
    /// Executions by ARN, for names that are taken.
    pub taken: HashMap<String, ExecutionRecord>,
    /// Rows of the ledger.
    pub ledger: BTreeMap<ledger::Key, LedgerRow>,
}

impl Facts {
    /// What the batch takes for granted: nobody was faster, every task is where its turn saw it, every machine is there and
    /// every name free. A store whose write checks all of this needs not look first. `None` if the batch does not say
    /// enough: runs that want a partition for themselves, and commits without a public event.
    pub(super) fn assumed(batch: &[Commit]) -> Option<Self> {
        let mut facts = Self::default();
        for commit in batch {
            match &commit.create {
                Some(new) if new.exclusive => return None,
                Some(new) => {
                    facts.active.insert(new.record.state_machine_arn.clone());
                }
                None => {
                    // Public ids have no gaps, so the first one here tells the last one before.
                    let first = commit.events.iter().find_map(|event| event.public.map(|public| public.id))?;
                    facts.executions.insert(commit.execution, (commit.expected, first.saturating_sub(1)));
                }
            }
            facts.tokens.extend(commit.held.iter().map(|(task, token)| ((commit.execution, *task), token.clone())));
            facts.scheduled.extend(commit.task_changes.iter().filter_map(|change| match change {
                TaskChange::Start { task, .. } => Some((commit.execution, *task)),
                TaskChange::Submitted { .. } | TaskChange::Gone { .. } => None,
            }));
        }
        Some(facts)
    }
}

/// Progress of an execution that existed before.
#[derive(Debug)]
pub(super) struct Advance {
    pub execution: ExecutionId,
    /// The guard.
    pub expected: EventId,
    pub last_event_id: EventId,
    pub last_public_id: EventId,
    pub end: Option<End>,
}

/// A row of the journal: the events of one commit.
#[derive(Debug)]
pub(super) struct JournalRow {
    pub execution: ExecutionId,
    pub first_event_id: EventId,
    pub last_event_id: EventId,
    /// The first public event here, or the next one to come if there is none here.
    pub first_public_id: EventId,
    /// The last public event up to here.
    pub last_public_id: EventId,
    pub events: Vec<Event>,
}

/// A task that stays and changes.
#[derive(Debug, Default)]
pub(super) struct TaskUpdate {
    pub start: Option<TaskStart>,
    pub submission: Option<Value>,
    pub ends_lease: bool,
}

/// Everything the held commits of a batch write. No row appears twice in one list, and none that is inserted or
/// updated is also deleted, so the lists may be written in any order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// New executions; one that ends at once is inserted as ended.
    pub created: Vec<ExecutionRecord>,
    pub advanced: Vec<Advance>,
    pub journal: Vec<JournalRow>,
    pub tasks: Vec<(ExecutionId, NewTask)>,
    pub task_updates: BTreeMap<(ExecutionId, TaskId), TaskUpdate>,
    pub tasks_gone: BTreeSet<(ExecutionId, TaskId)>,
    pub timers: BTreeMap<(ExecutionId, TimerId), Timestamp>,
    pub timers_gone: BTreeSet<(ExecutionId, TimerId)>,
    /// Tasks whose row must have this token.
    pub held: Vec<(ExecutionId, TaskId, TaskToken)>,
    /// Executions that existed and end: all their tasks and timers go.
    pub ended: Vec<ExecutionId>,
    pub ledger: BTreeMap<ledger::Key, LedgerRow>,
    pub outbox: Vec<NewOutboxMessage>,
    pub tables: BTreeMap<(String, String), CrawlTable>,
}

impl Changes {
    /// Whether no commit was held.
    pub(super) fn is_empty(&self) -> bool {
        self.created.is_empty() && self.advanced.is_empty()
    }

    /// Whether more is written than executions, journal, tasks and timers.
    pub(super) fn has_extras(&self) -> bool {
        !(self.ledger.is_empty() && self.outbox.is_empty() && self.tables.is_empty())
    }

    /// How many tasks are started.
    pub(super) fn starts(&self) -> usize {
        self.task_updates.values().filter(|update| update.start.is_some()).count()
    }

    /// What other nodes may want to look at: queues with visible tasks, ended executions, pages. Empty if nothing
    /// happened that somebody waits for.
    pub(super) fn hints(&self) -> Vec<Hint> {
        let queues: BTreeSet<&str> =
            self.tasks.iter().filter(|(_, task)| task.started.is_none()).map(|(_, task)| task.queue.as_str()).collect();
        let created_ended = self.created.iter().filter(|record| record.stopped_at.is_some()).map(|record| record.id);
        let mut hints: Vec<Hint> = queues.into_iter().map(|queue| Hint::Task { queue: queue.to_owned() }).collect();
        hints.extend(self.ended.iter().copied().chain(created_ended).map(|id| Hint::Execution { id, ended: true }));
        if self.has_extras() {
            hints.push(Hint::Page);
        }
        hints
    }

    fn hold(&mut self, commit: Commit, last_public_id: EventId) {
        let id = commit.execution;
        let last_event_id = commit.events.last().map_or(commit.expected, |event| event.id);
        let public = commit.events.iter().filter_map(|event| event.public.map(|public| public.id)).max();
        let last_public_after = public.unwrap_or(last_public_id);
        let ends = commit.end.is_some();
        self.held.extend(commit.held.into_iter().map(|(task, token)| (id, task, token)));
        match commit.create {
            Some(new) => {
                let mut record = new.record;
                if !commit.events.is_empty() {
                    record.last_event_id = last_event_id;
                    record.last_public_id = last_public_after;
                }
                if let Some(end) = commit.end {
                    record.status = end.status;
                    record.output = end.output;
                    record.error = end.error;
                    record.cause = end.cause;
                    record.stopped_at = Some(end.stopped_at);
                }
                self.created.push(record);
            }
            None => {
                if ends {
                    self.ended.push(id);
                }
                let (expected, last_public_id, end) = (commit.expected, last_public_after, commit.end);
                self.advanced.push(Advance { execution: id, expected, last_event_id, last_public_id, end });
            }
        }
        if let Some(first) = commit.events.first() {
            self.journal.push(JournalRow {
                execution: id,
                first_event_id: first.id,
                last_event_id,
                first_public_id: last_public_id + 1,
                last_public_id: last_public_after,
                events: commit.events,
            });
        }
        if !ends {
            self.hold_tasks(id, commit.tasks, commit.task_changes);
            let gone: BTreeSet<TimerId> = commit.timers_gone.into_iter().collect();
            let set = commit.timers.into_iter().filter(|timer| !gone.contains(&timer.timer));
            self.timers.extend(set.map(|timer| ((id, timer.timer), timer.due_at)));
            self.timers_gone.extend(gone.into_iter().map(|timer| (id, timer)));
        }
        self.outbox.extend(commit.outbox);
        let tables = commit.tables.into_iter();
        self.tables.extend(tables.map(|table| ((table.database.clone(), table.name.clone()), table)));
    }

    /// A task that one commit both makes and ends never existed.
    fn hold_tasks(&mut self, id: ExecutionId, tasks: Vec<NewTask>, changes: Vec<TaskChange>) {
        let mut gone = BTreeSet::new();
        let mut updates: BTreeMap<TaskId, TaskUpdate> = BTreeMap::new();
        for change in changes {
            match change {
                TaskChange::Start { task, start } => updates.entry(task).or_default().start = Some(start),
                TaskChange::Submitted { task, submission, is_awaited } => {
                    let update = updates.entry(task).or_default();
                    update.submission = Some(submission);
                    update.ends_lease |= is_awaited;
                }
                TaskChange::Gone { task } => {
                    gone.insert(task);
                }
            }
        }
        self.tasks.extend(tasks.into_iter().filter(|task| !gone.contains(&task.task)).map(|task| (id, task)));
        let staying = updates.into_iter().filter(|(task, _)| !gone.contains(task));
        self.task_updates.extend(staying.map(|(task, update)| ((id, task), update)));
        self.tasks_gone.extend(gone.into_iter().map(|task| (id, task)));
    }
}

/// Judges every commit of the batch in order: each sees what those before it changed.
///
/// The changes come in the order of their keys, so that two nodes that write the same rows cannot wait for each other.
pub(super) fn admit(batch: Vec<Commit>, mut facts: Facts) -> (Vec<CommitResult>, Changes) {
    let mut changes = Changes::default();
    let mut seen = HashSet::new();
    let results = batch
        .into_iter()
        .map(|commit| {
            if !seen.insert(commit.execution) {
                return CommitResult::Stale;
            }
            if let Some(refusal) = refusal(&commit, &facts) {
                return refusal;
            }
            let last_public_id = facts.executions.get(&commit.execution).map_or(0, |(_, public)| *public);
            for change in &commit.ledger {
                let key = ledger::key(change);
                if let Some(row) = ledger::apply(facts.ledger.get(&key), change) {
                    facts.ledger.insert(key.clone(), row.clone());
                    changes.ledger.insert(key, row);
                }
            }
            let is_new = commit.create.is_some();
            changes.hold(commit, last_public_id);
            if is_new && let Some(record) = changes.created.last() {
                facts.taken.insert(record.arn.clone(), record.clone());
            }
            CommitResult::Committed
        })
        .collect();
    changes.created.sort_unstable_by(|one, other| one.arn.cmp(&other.arn));
    changes.advanced.sort_unstable_by_key(|advance| advance.execution);
    (results, changes)
}

/// Why the commit cannot be held, if it cannot.
fn refusal(commit: &Commit, facts: &Facts) -> Option<CommitResult> {
    match &commit.create {
        Some(new) => {
            // The name first: who repeats a start that succeeded gets its execution, even if the machine is gone by now.
            if let Some(record) = facts.taken.get(&new.record.arn) {
                return Some(CommitResult::NameTaken(Box::new(record.clone())));
            }
            if !facts.active.contains(&new.record.state_machine_arn) {
                return Some(CommitResult::MachineGone);
            }
            if new.exclusive
                && let Some(row) = busy(commit, facts)
            {
                return Some(CommitResult::PartitionBusy(Box::new(row.clone())));
            }
        }
        None => {
            if facts.executions.get(&commit.execution).is_none_or(|(last, _)| *last != commit.expected) {
                return Some(CommitResult::Stale);
            }
        }
    }
    let starts_another = commit.task_changes.iter().any(|change| {
        matches!(change, TaskChange::Start { task, .. } if !facts.scheduled.contains(&(commit.execution, *task)))
    });
    let holds_another =
        commit.held.iter().any(|(task, token)| facts.tokens.get(&(commit.execution, *task)) != Some(token));
    (starts_another || holds_another).then_some(CommitResult::Stale)
}

fn busy<'a>(commit: &Commit, facts: &'a Facts) -> Option<&'a LedgerRow> {
    let begins = commit.ledger.iter().filter(|change| matches!(change, super::LedgerChange::Begin { .. }));
    begins
        .filter_map(|change| facts.ledger.get(&ledger::key(change)))
        .find(|row| ledger::is_busy(row, commit.execution))
}
