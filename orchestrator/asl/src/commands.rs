//! What an execution has to do with the outside: whom it waits for, and what a decision changes about that.
//!
//! Commands are not collected while deciding but follow from the execution before and after: a task that was scheduled and
//! given up in the same decision never shows.

use std::collections::{BTreeMap, BTreeSet};

use crate::execution::{Command, Execution, OpenState, Status, Stimulus, Waiting};
use crate::ids::{TaskId, TimerId};

/// Whether the state waits for this timer of its own.
pub(crate) fn waits_for(open: &OpenState, wanted: TimerId) -> bool {
    matches!(&open.waiting, Some(Waiting::Timer { timer, .. } | Waiting::Retry { timer, .. }) if *timer == wanted)
}

/// Whether anybody waits for the stimulus: asked before the execution is copied.
pub(crate) fn fits(execution: &Execution, stimulus: &Stimulus) -> bool {
    if execution.status != Status::Running {
        return false;
    }
    let task = |wanted: TaskId| execution.open_tasks().map(|(_, task)| task).find(|task| task.task == wanted);
    match stimulus {
        Stimulus::Start { .. } => false,
        Stimulus::TaskStarted { task: wanted, .. } => task(*wanted).is_some_and(|task| task.started_at.is_none()),
        Stimulus::TaskSubmitted { task: wanted, .. } => task(*wanted).is_some_and(|task| !task.submitted),
        Stimulus::TaskSucceeded { task: wanted, .. } | Stimulus::TaskFailed { task: wanted, .. } => {
            task(*wanted).is_some()
        }
        Stimulus::TimerFired { timer } => execution.open_timers().iter().any(|(open, _)| open == timer),
        Stimulus::Stop { .. } => true,
        Stimulus::Continue => execution.is_unfinished(),
    }
}

/// What changed for the outside between two states of an execution.
pub(crate) fn between(
    before: Option<&Execution>,
    after: &Execution,
    stimulus: &Stimulus,
    unfinished: bool,
) -> Vec<Command> {
    let mut commands = Vec::new();
    let tasks_before: BTreeSet<TaskId> =
        before.map(|before| before.open_tasks().map(|(_, task)| task.task).collect()).unwrap_or_default();
    let timers_before: BTreeMap<TimerId, _> =
        before.map(|before| before.open_timers().into_iter().collect()).unwrap_or_default();
    let timers_after: BTreeMap<TimerId, _> = after.open_timers().into_iter().collect();

    let mut tasks_after = BTreeSet::new();
    for (state, task) in after.open_tasks() {
        tasks_after.insert(task.task);
        if !tasks_before.contains(&task.task) {
            commands.push(Command::ScheduleTask(Box::new(task.schedule(state))));
        }
    }
    let (reported, fired) = match stimulus {
        Stimulus::TaskSucceeded { task, .. } | Stimulus::TaskFailed { task, .. } => (Some(*task), None),
        Stimulus::TimerFired { timer } => (None, Some(*timer)),
        _ => (None, None),
    };
    for task in tasks_before.difference(&tasks_after).filter(|task| Some(**task) != reported) {
        commands.push(Command::CancelTask { task: *task });
    }
    for (timer, due_at) in &timers_after {
        if !timers_before.contains_key(timer) {
            commands.push(Command::SetTimer { timer: *timer, due_at: *due_at });
        }
    }
    for timer in timers_before.keys().filter(|timer| !timers_after.contains_key(timer) && Some(**timer) != fired) {
        commands.push(Command::CancelTimer { timer: *timer });
    }
    if unfinished {
        commands.push(Command::Continue);
    }
    commands
}
