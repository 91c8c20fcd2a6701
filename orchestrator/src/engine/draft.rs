//! What one round of deciding comes to: the commit, and whom its tasks are handed to.

use std::collections::{BTreeSet, VecDeque};

use asl::execution::{Decision, Resource};
use asl::{Command, Execution, Status, Stimulus, TaskId, TimerId, TimerKind, Turn, decide, decide_without};

use super::Inner;
use super::binding::{self, Route};
use super::cache::Machine;
use super::dispatch::Chosen;
use super::error::Error;
use super::hooks::{Ending, failed_state};
use super::turn::Change;
use crate::store::{
    Commit, End, ExecutionId, ExecutionRecord, ExecutionStatus, NewExecution, NewTask, NewTimer, TaskChange, TaskRecord,
};

/// The timer of an execution whose turn ended at its cap. The node that took the turn goes on at once; should it die
/// before that, the timer does. No event has the number 0, so no timer of the language is called like this.
pub(super) const CONTINUATION: TimerId = TimerId { event: 0, kind: TimerKind::Wait };
/// When that timer is due: long after any living node has gone on.
const CONTINUATION_SECONDS: i64 = 10;

/// What one round of deciding comes to.
pub(super) struct Draft {
    pub(super) commit: Commit,
    pub(super) execution: Option<Execution>,
    pub(super) goes_on: bool,
    pub(super) handovers: Vec<(Chosen, TaskRecord)>,
}

impl Draft {
    pub(super) fn is_empty(&self) -> bool {
        let commit = &self.commit;
        commit.events.is_empty() && commit.task_changes.is_empty() && commit.timers_gone.is_empty()
    }

    /// Taken apart for the caller that starts an execution.
    pub(super) fn into_parts(self) -> (Commit, Option<Execution>, bool, Vec<(Chosen, TaskRecord)>) {
        (self.commit, self.execution, self.goes_on, self.handovers)
    }
}

impl Inner {
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
            held: change.held.clone(),
            timers_gone: change.timers_gone.clone(),
            outbox: change.outbox.clone(),
            ..Commit::default()
        };
        let mut current: Option<Execution> = None;
        let mut handovers: Vec<(Chosen, TaskRecord)> = Vec::new();
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
                            let new = NewTask {
                                task: task.task,
                                queue,
                                state: task.state.to_string(),
                                attempt: task.attempt,
                                resource: task.resource,
                                input,
                                token: task.token,
                                heartbeat_seconds: task.heartbeat_seconds,
                                lease_seconds: lease.map(|lease| lease.as_secs()),
                                started: chosen.as_ref().map(|chosen| chosen.start.clone()),
                            };
                            if let Some(chosen) = chosen {
                                handovers.push((chosen, new.clone().row(id, turn.now)));
                            }
                            commit.tasks.push(new);
                        }
                    },
                    Command::CancelTask { task } => {
                        self.add_give_up(id, task, &mut commit, turn.now).await?;
                        forget_task(&mut commit, &mut handovers, task);
                    }
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

/// The task a stimulus ends.
fn finished_by(stimulus: &Stimulus) -> Option<TaskId> {
    match stimulus {
        Stimulus::TaskSucceeded { task, .. } | Stimulus::TaskFailed { task, .. } => Some(*task),
        _ => None,
    }
}

/// The task is over: a row of this very commit is not written at all, an older one goes.
fn forget_task(commit: &mut Commit, handovers: &mut Vec<(Chosen, TaskRecord)>, task: TaskId) {
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
