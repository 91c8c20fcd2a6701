//! The only code that changes an execution: one event at a time, live and in replay alike.

mod frame;

use std::sync::Arc;

use crate::definition::{ScopeId, StateMachine};
use crate::execution::{
    Children, DecideError, Event, EventKind, Execution, FrameId, MapRun, OpenState, OpenTask, Position, Status, Waiting,
};
use crate::ids::{TaskId, TimerId, TimerKind};
use frame::{Fit, children, close, close_children, fit, frame, open, open_child, open_frame, open_task};

/// Changes `execution` by `event`, the next one of its journal.
///
/// Fails if the event does not fit: a broken journal, never a user's mistake. The execution is then of no use.
pub fn apply(execution: &mut Execution, machine: &StateMachine, event: &Event) -> Result<(), DecideError> {
    if event.id != execution.last_event_id + 1 {
        return Err(corrupt(execution, event, "it does not follow the last one"));
    }
    execution.last_event_id = event.id;
    if let Some(public) = event.public {
        if public.id != execution.last_public_id + 1 {
            return Err(corrupt(execution, event, "its public id does not follow the last one"));
        }
        execution.last_public_id = public.id;
    }
    change(execution, machine, event).map_err(|reason| corrupt(execution, event, reason))
}

/// The execution that `event`, the first of a journal, begins.
pub(crate) fn begin(machine: &StateMachine, event: &Event) -> Result<Execution, DecideError> {
    let EventKind::ExecutionStarted { identity, input, timeout_at } = &event.kind else {
        return Err(DecideError::Corrupt {
            execution: String::new(),
            event: event.id,
            reason: "the first event is not `ExecutionStarted`".to_owned(),
        });
    };
    let mut execution = Execution {
        identity: identity.clone(),
        input: input.clone(),
        started_at: event.at,
        status: Status::Running,
        timeout_at: *timeout_at,
        last_event_id: 0,
        last_public_id: 0,
        frames: std::iter::once((FrameId::TOP, open_frame(machine, ScopeId::TOP, None, 0, input.clone(), 0, event.id)))
            .collect(),
    };
    apply(&mut execution, machine, event)?;
    Ok(execution)
}

fn corrupt(execution: &Execution, event: &Event, reason: &str) -> DecideError {
    DecideError::Corrupt { execution: execution.identity.arn.clone(), event: event.id, reason: reason.to_owned() }
}

fn change(execution: &mut Execution, machine: &StateMachine, event: &Event) -> Fit {
    if let (Some(public), true) = (event.public, carries_the_chain(&event.kind)) {
        frame(execution, event.frame)?.chain = public.id;
    }
    match &event.kind {
        EventKind::ExecutionStarted { .. } | EventKind::StateAborted { .. } | EventKind::EvaluationFailed { .. } => {}
        EventKind::StateEntered { name, state, input } => {
            let frame = frame(execution, event.frame)?;
            frame.states_entered += 1;
            frame.position = Position::Open(Box::new(OpenState {
                name: name.clone(),
                state: *state,
                input: input.clone(),
                entered_at: event.at,
                entered_id: event.public.map_or(0, |public| public.id),
                entered_previous: event.public.map_or(0, |public| public.previous),
                retries: Vec::new(),
                waiting: None,
            }));
        }
        EventKind::StateExited { output, assigned, next, .. } => {
            let frame = frame(execution, event.frame)?;
            if let Some(assigned) = assigned {
                let variables = Arc::make_mut(&mut frame.variables);
                variables.extend(assigned.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            frame.position = match next {
                Some(name) => Position::Entering { name: name.clone(), input: output.clone(), since: event.id },
                None => Position::Ended { output: output.clone() },
            };
        }
        EventKind::WaitStarted { due_at } => {
            let timer = TimerId { event: event.id, kind: TimerKind::Wait };
            open(execution, event.frame)?.waiting = Some(Waiting::Timer { timer, due_at: *due_at });
        }
        EventKind::RetryScheduled { retrier, due_at, chain } => {
            close_children(execution, event.frame)?;
            let state = open(execution, event.frame)?;
            if state.retries.len() <= *retrier {
                state.retries.resize(retrier + 1, 0);
            }
            state.retries[*retrier] += 1;
            let timer = TimerId { event: event.id, kind: TimerKind::Retry };
            state.waiting = Some(Waiting::Retry { timer, due_at: *due_at, attempt: state.retry_count() + 1 });
            frame(execution, event.frame)?.chain = *chain;
        }
        EventKind::TaskScheduled { attempt, resource, input, token, timeout_seconds, heartbeat_seconds, .. } => {
            open(execution, event.frame)?.waiting = Some(Waiting::Task(Box::new(OpenTask {
                task: TaskId(event.id),
                attempt: *attempt,
                resource: resource.clone(),
                input: input.clone(),
                token: token.clone(),
                public_id: event.public.map_or(0, |public| public.id),
                scheduled_at: event.at,
                started_at: None,
                submitted: false,
                worker: None,
                timeout_seconds: *timeout_seconds,
                heartbeat_seconds: *heartbeat_seconds,
            })));
        }
        EventKind::TaskStarted { task, worker, .. } => {
            let open_task = open_task(execution, event.frame, *task)?;
            open_task.started_at = Some(event.at);
            open_task.worker.clone_from(worker);
        }
        EventKind::TaskSubmitted { task, .. } => open_task(execution, event.frame, *task)?.submitted = true,
        EventKind::TaskSucceeded { task, .. }
        | EventKind::TaskFailed { task, .. }
        | EventKind::TaskTimedOut { task, .. } => {
            open_task(execution, event.frame, *task)?;
            open(execution, event.frame)?.waiting = None;
        }
        EventKind::ParallelStarted { branches, input } => {
            open(execution, event.frame)?.waiting = Some(Waiting::Children(Box::new(Children {
                items: None,
                input: input.clone(),
                total: *branches,
                concurrency: *branches,
                opened: 0,
                open: Vec::new(),
                results: vec![None; fit(*branches)?],
                failed: 0,
                map_run: None,
            })));
        }
        EventKind::MapStarted { items, input, concurrency, .. } => {
            open(execution, event.frame)?.waiting = Some(Waiting::Children(Box::new(Children {
                total: items.len() as u64,
                results: vec![None; items.len()],
                items: Some(items.clone()),
                input: input.clone(),
                concurrency: *concurrency,
                opened: 0,
                open: Vec::new(),
                failed: 0,
                map_run: None,
            })));
        }
        EventKind::BranchStarted { scope, index } => {
            let input = children(execution, event.frame)?.input.clone();
            open_child(execution, machine, event, *scope, *index, input)?;
        }
        EventKind::MapIterationStarted { scope, index, input, .. } => {
            open_child(execution, machine, event, *scope, *index, input.clone())?;
        }
        EventKind::BranchSucceeded | EventKind::MapIterationSucceeded { .. } => {
            let child = execution.frames.remove(&event.frame).ok_or("its frame is not open")?;
            let Position::Ended { output } = child.position else { return Err("its frame is not at its end") };
            let parent = child.parent.ok_or("its frame has no frame around it")?;
            let children = children(execution, parent)?;
            children.open.retain(|open| *open != event.frame);
            *children.results.get_mut(fit(child.index)?).ok_or("there is no such child")? = Some(output);
            let around = frame(execution, parent)?;
            match (&event.kind, event.public) {
                (EventKind::BranchSucceeded, _) => around.chain = child.chain,
                (_, Some(public)) => around.chain = public.id,
                (_, None) => {}
            }
        }
        EventKind::MapIterationFailed { failure, .. } => {
            let failed = frame(execution, event.frame)?;
            let (parent, index) = (failed.parent.ok_or("its frame has no frame around it")?, failed.index);
            if children(execution, parent)?.map_run.is_some() {
                close(execution, event.frame);
                let children = children(execution, parent)?;
                children.open.retain(|open| *open != event.frame);
                children.failed += 1;
                *children.results.get_mut(fit(index)?).ok_or("there is no such child")? = Some(Arc::new(
                    serde_json::json!({"Status": "FAILED", "Error": failure.error, "Cause": failure.cause}),
                ));
            }
        }
        EventKind::MapIterationAborted { .. } => {}
        EventKind::ParallelSucceeded | EventKind::MapSucceeded | EventKind::ParallelFailed | EventKind::MapFailed => {
            close_children(execution, event.frame)?;
            open(execution, event.frame)?.waiting = None;
        }
        EventKind::MapRunStarted { arn, tolerated_failure_count, tolerated_failure_percentage } => {
            children(execution, event.frame)?.map_run = Some(MapRun {
                arn: arn.clone(),
                started_id: event.public.map_or(0, |public| public.id),
                tolerated_failure_count: *tolerated_failure_count,
                tolerated_failure_percentage: *tolerated_failure_percentage,
            });
        }
        EventKind::MapRunSucceeded | EventKind::MapRunFailed { .. } => {}
        EventKind::ExecutionSucceeded { output } => end(execution, Status::Succeeded { output: output.clone() }),
        EventKind::ExecutionFailed { failure } => end(execution, Status::Failed(failure.clone())),
        EventKind::ExecutionTimedOut { failure } => end(execution, Status::TimedOut(failure.clone())),
        EventKind::ExecutionAborted { failure } => end(execution, Status::Aborted(failure.clone())),
    }
    Ok(())
}

/// Whether later events of the frame point back to this one.
///
/// The first state points back to 0; what ends an iteration is a leaf; what joins a Parallel or Map has the same
/// predecessor as the exit after it.
const fn carries_the_chain(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::ExecutionStarted { .. }
            | EventKind::StateAborted { .. }
            | EventKind::MapIterationStarted { .. }
            | EventKind::MapIterationSucceeded { .. }
            | EventKind::MapIterationFailed { .. }
            | EventKind::MapIterationAborted { .. }
            | EventKind::ParallelSucceeded
            | EventKind::MapSucceeded
    )
}

fn end(execution: &mut Execution, status: Status) {
    execution.status = status;
    execution.frames.clear();
}
