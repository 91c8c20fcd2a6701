//! One turn: load → decide → commit → hand out. A stale commit loads and decides again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use asl::execution::{Decision, Resource};
use asl::{Command, Execution, Status, Stimulus, TaskId, TimerId, TimerKind, Turn, decide, decide_without, replay};
use metrics::counter;
use tokio::time::Instant;

use super::binding::{self, Route};
use super::cache::{Cached, Machine};
use super::dispatch::{Chosen, TakenTask};
use super::error::Error;
use super::hooks::{Ending, failed_state};
use super::parcel::Parcel;
use super::{Engine, Inner};
use crate::store::{
    Commit, CommitResult, End, ExecutionId, ExecutionRecord, ExecutionStatus, Hint, NewExecution, NewOutboxMessage,
    NewTask, NewTimer, TaskChange, TaskStatus,
};

/// Turns of one execution that may find it changed in a row before the caller hears of it. Each loss means that some
/// other turn won, so this many in a row is a storm on one execution, not a race.
const TURN_ATTEMPTS_MAX: u32 = 50;

/// The timer of an execution whose turn ended at its cap. The node that took the turn goes on at once; should it die
/// before that, the timer does. No event has the number 0, so no timer of the language is called like this.
pub(super) const CONTINUATION: TimerId = TimerId { event: 0, kind: TimerKind::Wait };
/// When that timer is due: long after any living node has gone on.
const CONTINUATION_SECONDS: i64 = 10;

/// What a turn is to do.
#[derive(Clone, Default)]
pub(super) struct Change {
    /// What arrives, in order.
    pub(super) stimuli: Vec<Stimulus>,
    /// Rows of tasks that change with it.
    pub(super) tasks: Vec<TaskChange>,
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

/// What one round of deciding comes to.
pub(super) struct Draft {
    pub(super) commit: Commit,
    pub(super) execution: Option<Execution>,
    goes_on: bool,
    handovers: Vec<(Chosen, TakenTask)>,
}

impl Draft {
    fn is_empty(&self) -> bool {
        let commit = &self.commit;
        commit.events.is_empty() && commit.task_changes.is_empty() && commit.timers_gone.is_empty()
    }
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
                        known.execution = execution;
                    }
                    if summary.ended.is_some() {
                        *cached = None;
                        inner.executions.remove(id);
                    }
                    drop(cached);
                    self.hand_out(id, &summary, goes_on, handovers);
                    return Ok(Effect::Committed);
                }
                Ok(CommitResult::Stale) => {
                    counter!("stepwell_stale_commits_total").increment(1);
                    *cached = None;
                    if inner.start_is_lost(id, change).await? {
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
    pub(super) fn take_back(&self, handovers: Vec<(Chosen, TakenTask)>) {
        for (_, task) in handovers {
            drop(Parcel::new(self, task));
        }
    }

    /// What the commit made visible goes out.
    pub(super) fn hand_out(
        &self,
        id: ExecutionId,
        summary: &Summary,
        goes_on: bool,
        handovers: Vec<(Chosen, TakenTask)>,
    ) {
        for (chosen, task) in handovers {
            chosen.send(Parcel::new(self, task));
        }
        for queue in &summary.visible {
            self.0.dispatch.ring(queue);
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
    /// The execution by replay, `None` if there is none or it has ended.
    async fn load(&self, id: ExecutionId) -> Result<Option<Cached>, Error> {
        let Some(loaded) = self.store.load(id).await? else { return Ok(None) };
        if loaded.record.status != ExecutionStatus::Running {
            return Ok(None);
        }
        counter!("stepwell_replays_total").increment(1);
        let machine = self.machines.revision(&*self.store, loaded.record.revision).await?;
        let execution = replay(&machine.definition, &loaded.events)?;
        Ok(Some(Cached { execution, record: Arc::new(loaded.record), machine }))
    }

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

    fn context(&self) -> Turn {
        Turn {
            now: self.clock.now(),
            seed: self.chance.bytes(),
            limits: self.config.limits.clone(),
            region: self.config.region.clone(),
        }
    }

    /// Decides on every stimulus in order, and on what follows from routing the tasks they schedule.
    pub(super) async fn draft(
        &self,
        id: ExecutionId,
        execution: Option<&Execution>,
        record: &ExecutionRecord,
        machine: &Machine,
        change: &Change,
    ) -> Result<Draft, Error> {
        let turn = self.context();
        let mut commit = Commit {
            execution: id,
            expected: execution.map_or(0, |execution| execution.last_event_id),
            task_changes: change.tasks.clone(),
            timers_gone: change.timers_gone.clone(),
            outbox: change.outbox.clone(),
            ..Commit::default()
        };
        let mut current: Option<Execution> = None;
        let mut handovers: Vec<(Chosen, TakenTask)> = Vec::new();
        let mut stimuli: VecDeque<Stimulus> = change.stimuli.iter().cloned().collect();
        while let Some(stimulus) = stimuli.pop_front() {
            let before = current.as_ref().or(execution);
            let mut decision = decide(&machine.definition, before, &stimulus, &turn)?;
            // A task of an activity that does not exist is never scheduled: decide once more, knowing that.
            let mut missing = BTreeSet::new();
            while self.add_missing(&decision, &mut missing).await? {
                decision = decide_without(&machine.definition, before, &stimulus, &turn, &missing)?;
            }
            if let Some(task) = finished_by(&stimulus)
                && !decision.events.is_empty()
            {
                forget_task(&mut commit, &mut handovers, task);
            }
            commit.events.extend(decision.events);
            if decision.execution.is_some() {
                current = decision.execution;
            }
            for command in decision.commands {
                match command {
                    Command::ScheduleTask(task) => match binding::route(self, id, &task).await? {
                        Route::Refused(failure) => {
                            stimuli.push_back(Stimulus::TaskFailed { task: task.task, failure });
                        }
                        Route::Queue { queue, input, lease } => {
                            let token = || self.taker_token(&task.resource, task.token.as_ref(), id, task.task);
                            let chosen = self.dispatch.choose(&queue, token);
                            if let Some(chosen) = &chosen {
                                stimuli.push_back(Stimulus::TaskStarted {
                                    task: task.task,
                                    worker: chosen.start.worker.clone(),
                                });
                                stimuli.extend(binding::submitted_by_start(
                                    &queue,
                                    &task.resource,
                                    id,
                                    task.task,
                                    &input,
                                ));
                            }
                            commit.tasks.push(NewTask {
                                task: task.task,
                                queue,
                                state: task.state.to_string(),
                                attempt: task.attempt,
                                resource: task.resource.clone(),
                                input: input.clone(),
                                token: task.token.clone(),
                                heartbeat_seconds: task.heartbeat_seconds,
                                lease_seconds: lease.map(|lease| lease.as_secs()),
                                started: chosen.as_ref().map(|chosen| chosen.start.clone()),
                            });
                            if let Some(chosen) = chosen {
                                let taken = TakenTask {
                                    execution: id,
                                    task: task.task,
                                    token: chosen.start.token.clone(),
                                    input,
                                    resource: task.resource,
                                    state: task.state.to_string(),
                                    submission: None,
                                };
                                handovers.push((chosen, taken));
                            }
                        }
                    },
                    Command::CancelTask { task } => forget_task(&mut commit, &mut handovers, task),
                    Command::SetTimer { timer, due_at } => commit.timers.push(NewTimer { timer, due_at }),
                    Command::CancelTimer { timer } => {
                        let before = commit.timers.len();
                        commit.timers.retain(|new| new.timer != timer);
                        if commit.timers.len() == before && !commit.timers_gone.contains(&timer) {
                            commit.timers_gone.push(timer);
                        }
                    }
                    // Later stimuli of this very turn may have gone on: what counts is how the execution ends up.
                    Command::Continue => {}
                }
            }
        }
        let goes_on = current.as_ref().is_some_and(Execution::is_unfinished);
        if goes_on {
            commit.timers.push(NewTimer { timer: CONTINUATION, due_at: turn.now.plus_seconds(CONTINUATION_SECONDS) });
            commit.timers_gone.retain(|timer| *timer != CONTINUATION);
        } else if current.is_some() && execution.is_some_and(Execution::is_unfinished) {
            commit.timers_gone.push(CONTINUATION);
        }
        if let Some(after) = &current
            && let Some(end) = end_of(after, turn.now)
        {
            self.add_end(&mut commit, end, record, machine, execution.unwrap_or(after));
        }
        Ok(Draft { commit, execution: current, goes_on, handovers })
    }

    /// Adds the activities that the decision's tasks want and that do not exist; `false` if there are none.
    async fn add_missing(&self, decision: &Decision, missing: &mut BTreeSet<String>) -> Result<bool, Error> {
        let mut found = false;
        for command in &decision.commands {
            if let Command::ScheduleTask(task) = command
                && let Resource::Activity(arn) = &task.resource
                && !self.activities.exists(&*self.store, arn).await?
            {
                found |= missing.insert(arn.clone());
            }
        }
        Ok(found)
    }

    fn add_end(&self, commit: &mut Commit, end: End, record: &ExecutionRecord, machine: &Machine, before: &Execution) {
        let failed_state = failed_state(&commit.events, before);
        let effects = self.hooks.ending(&Ending {
            record,
            revision: &machine.revision,
            end: &end,
            execution: before,
            failed_state,
        });
        commit.ledger.extend(effects.ledger);
        commit.outbox.extend(effects.outbox);
        commit.tables.extend(effects.tables);
        // An ended execution's tasks and timers go with it; nothing is handed out any more.
        commit.tasks.clear();
        commit.timers.clear();
        commit.end = Some(end);
    }

    /// The first commit of a new execution.
    pub(super) async fn draft_start(
        &self,
        new: NewExecution,
        machine: &Machine,
        start: Stimulus,
    ) -> Result<Draft, Error> {
        let id = new.record.id;
        let change = Change { stimuli: vec![start], ..Change::default() };
        let mut new = new;
        let effects = self.hooks.starting(&mut new.record);
        let mut draft = self.draft(id, None, &new.record, machine, &change).await?;
        if let Some(execution) = &draft.execution {
            new.record.last_event_id = execution.last_event_id;
            new.record.last_public_id = execution.last_public_id;
        }
        let mut ledger = effects.ledger;
        ledger.append(&mut draft.commit.ledger);
        draft.commit.ledger = ledger;
        draft.commit.create = Some(Box::new(new));
        Ok(draft)
    }
}

impl Draft {
    /// Taken apart for the caller that starts an execution.
    pub(super) fn into_parts(self) -> (Commit, Option<Execution>, bool, Vec<(Chosen, TakenTask)>) {
        (self.commit, self.execution, self.goes_on, self.handovers)
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

/// The task a stimulus ends.
fn finished_by(stimulus: &Stimulus) -> Option<TaskId> {
    match stimulus {
        Stimulus::TaskSucceeded { task, .. } | Stimulus::TaskFailed { task, .. } => Some(*task),
        _ => None,
    }
}

/// The task is over: a row of this very commit is not written at all, an older one goes.
fn forget_task(commit: &mut Commit, handovers: &mut Vec<(Chosen, TakenTask)>, task: TaskId) {
    let before = commit.tasks.len();
    commit.tasks.retain(|new| new.task != task);
    if commit.tasks.len() == before {
        commit.task_changes.push(TaskChange::Gone { task });
    } else {
        handovers.retain(|(_, taken)| taken.task != task);
    }
}

/// How an execution's end is stored; `None` while it runs.
fn end_of(execution: &Execution, now: asl::Timestamp) -> Option<End> {
    let (status, output, failure) = match &execution.status {
        Status::Running => return None,
        Status::Succeeded { output } => (ExecutionStatus::Succeeded, Some(output.to_string()), None),
        Status::Failed(failure) => (ExecutionStatus::Failed, None, Some(failure)),
        Status::TimedOut(failure) => (ExecutionStatus::TimedOut, None, Some(failure)),
        Status::Aborted(failure) => (ExecutionStatus::Aborted, None, Some(failure)),
    };
    Some(End {
        status,
        output,
        error: failure.and_then(|failure| failure.error.clone()),
        cause: failure.and_then(|failure| failure.cause.clone()),
        stopped_at: now,
    })
}

/// Waits longer and longer while the store is away, then gives the fault to the caller.
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(patience: Duration) -> Self {
        Self { deadline: Instant::now() + patience, pause: Duration::from_millis(20) }
    }

    /// Pauses, or returns `error` when the time is up.
    pub(super) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        if Instant::now() + self.pause > self.deadline {
            return Err(error);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Ok(())
    }
}
