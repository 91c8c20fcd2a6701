//! One turn: load → decide → commit → hand out. A stale commit loads and decides again.

use asl::{Stimulus, TaskId, TaskToken, TimerId};
use metrics::counter;

use super::dispatch::{Chosen, TakenTask};
use super::draft::Draft;
use super::error::Error;
use super::parcel::Parcel;
use super::patience::Patience;
use super::{Engine, Inner};
use crate::store::{
    Commit, CommitResult, ExecutionId, ExecutionStatus, Hint, NewOutboxMessage, TaskChange, TaskRecord, TaskStatus,
};

/// Turns of one execution that may find it changed in a row before the caller hears of it. Each loss means that some
/// other turn won, so this many in a row is a storm on one execution, not a race.
const TURN_ATTEMPTS_MAX: u32 = 50;

/// What a turn is to do.
#[derive(Clone, Default)]
pub(super) struct Change {
    /// What arrives, in order.
    pub(super) stimuli: Vec<Stimulus>,
    /// Rows of tasks that change with it.
    pub(super) tasks: Vec<TaskChange>,
    /// Tasks that must still be whoever's with this token, or what arrives comes too late.
    pub(super) held: Vec<(TaskId, TaskToken)>,
    /// Timers that go whatever is decided: the one that fired.
    pub(super) timers_gone: Vec<TimerId>,
    /// Messages to deliver, if what arrives counts.
    pub(super) outbox: Vec<NewOutboxMessage>,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is durable.
    Committed,
    /// What arrived came too late, twice, or for nobody.
    Nothing,
}

impl Engine {
    /// Takes a turn. It goes on to its end even if the caller is dropped, so that what it hands out is not lost.
    pub(super) async fn turn(&self, id: ExecutionId, change: Change) -> Result<Effect, Error> {
        let engine = self.clone();
        tokio::spawn(async move { engine.take_turn(id, &change).await }).await.map_err(|_| Error::ShuttingDown)?
    }

    /// [`Engine::turn`] for callers that are not dropped midway.
    pub(super) async fn take_turn(&self, id: ExecutionId, change: &Change) -> Result<Effect, Error> {
        let inner = &self.0;
        let slot = inner.executions.slot(id);
        let mut cached = slot.lock().await;
        let mut patience = Patience::new(inner.config.patience);
        let mut is_fresh = false;
        for _ in 0..TURN_ATTEMPTS_MAX {
            if cached.is_none() {
                is_fresh = true;
                match inner.load(id).await {
                    Ok(loaded) => *cached = loaded,
                    Err(Error::Store(error)) => {
                        patience.wait(Error::Store(error)).await?;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let Some(known) = cached.as_mut() else { return Ok(Effect::Nothing) };
            let draft = match inner.draft(id, Some(&known.execution), &known.record, &known.machine, change).await {
                Ok(draft) => draft,
                Err(Error::Store(error)) => {
                    patience.wait(Error::Store(error)).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if draft.is_empty() && !is_fresh {
                // No commit will find out whether other nodes went on with it since: what is nothing to us may fit there.
                *cached = None;
                continue;
            }
            if draft.is_empty() || (draft.commit.events.is_empty() && inner.starts_nothing(id, change).await?) {
                return Ok(Effect::Nothing);
            }
            let Draft { commit, execution, goes_on, handovers } = draft;
            let summary = Summary::of(&commit);
            match inner.commit_surely(commit, &mut patience).await {
                Ok(CommitResult::Committed) => {
                    if let Some(execution) = execution {
                        if summary.ended.is_none() {
                            self.keep_snapshot(id, known.execution.last_event_id, &execution);
                        }
                        known.execution = execution;
                    }
                    for (task, _) in &change.held {
                        inner.tasks.forget(id, *task);
                    }
                    if summary.ended.is_some() {
                        *cached = None;
                        inner.executions.remove(id);
                        inner.tasks.forget_all_of(id);
                    }
                    drop(cached);
                    self.hand_out(id, &summary, goes_on, handovers);
                    return Ok(Effect::Committed);
                }
                Ok(CommitResult::Stale) => {
                    counter!("stepwell_stale_commits_total").increment(1);
                    *cached = None;
                    if inner.start_is_lost(id, change).await? || inner.holder_is_another(id, change).await? {
                        return Ok(Effect::Nothing);
                    }
                }
                Ok(other) => {
                    tracing::error!(execution.id = %id, result = ?other, "A commit without a new execution was refused like one");
                    return Ok(Effect::Nothing);
                }
                Err(error) => {
                    *cached = None;
                    self.take_back(handovers);
                    return Err(error);
                }
            }
        }
        Err(Error::Contended(id, TURN_ATTEMPTS_MAX))
    }

    /// Nobody knows whether these tasks were started: whichever were become visible again.
    pub(super) fn take_back(&self, handovers: Vec<(Chosen, TaskRecord)>) {
        for (chosen, row) in handovers {
            drop(Parcel::new(self, TakenTask::of(&row, chosen.start.token)));
        }
    }

    /// What the commit made visible goes out.
    pub(super) fn hand_out(
        &self,
        id: ExecutionId,
        summary: &Summary,
        goes_on: bool,
        handovers: Vec<(Chosen, TaskRecord)>,
    ) {
        for (chosen, row) in handovers {
            let parcel = Parcel::new(self, TakenTask::of(&row, chosen.start.token.clone()));
            self.0.tasks.put(row);
            chosen.send(parcel);
        }
        for queue in &summary.visible {
            self.ring(queue);
            self.announce(Hint::Task { queue: queue.clone() });
        }
        if let Some(due_at) = summary.next_timer {
            self.0.timers.set(due_at);
        }
        if let Some(status) = summary.ended {
            counter!("stepwell_executions_ended_total", "status" => status.as_str()).increment(1);
        }
        self.announce(Hint::Execution { id, ended: summary.ended.is_some() });
        if goes_on {
            let engine = self.clone();
            tokio::spawn(async move {
                let change = Change { stimuli: vec![Stimulus::Continue], ..Change::default() };
                if let Err(error) = engine.turn(id, change).await {
                    // The timer of the same name goes on.
                    tracing::warn!(execution.id = %id, error = &error as &dyn std::error::Error, "A continuation failed");
                }
            });
        }
    }
}

impl Inner {
    /// Whether a start that writes no event is of a task that is over; else it is a redelivery.
    async fn starts_nothing(&self, id: ExecutionId, change: &Change) -> Result<bool, Error> {
        for change in &change.tasks {
            if let TaskChange::Start { task, .. } = change
                && self.store.task(id, *task).await?.is_none()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// After a stale start: whether the task is over or somebody else's by now.
    async fn start_is_lost(&self, id: ExecutionId, change: &Change) -> Result<bool, Error> {
        for change in &change.tasks {
            if let TaskChange::Start { task, .. } = change
                && self.store.task(id, *task).await?.is_none_or(|row| row.status != TaskStatus::Scheduled)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// After a stale report: whether the task is over or was given to somebody else.
    async fn holder_is_another(&self, id: ExecutionId, change: &Change) -> Result<bool, Error> {
        for (task, token) in &change.held {
            if self.store.task(id, *task).await?.is_none_or(|row| row.token.as_ref() != Some(token)) {
                self.tasks.forget(id, *task);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What has to be known of a commit after it is gone.
pub(super) struct Summary {
    visible: Vec<String>,
    next_timer: Option<asl::Timestamp>,
    pub(super) ended: Option<ExecutionStatus>,
}

impl Summary {
    pub(super) fn of(commit: &Commit) -> Self {
        let mut visible: Vec<String> =
            commit.tasks.iter().filter(|task| task.started.is_none()).map(|task| task.queue.clone()).collect();
        visible.sort_unstable();
        visible.dedup();
        Self {
            visible,
            next_timer: commit.timers.iter().map(|timer| timer.due_at).min(),
            ended: commit.end.as_ref().map(|end| end.status),
        }
    }
}
