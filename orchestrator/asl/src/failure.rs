//! What happens when a state fails: Retry, Catch, or the failure goes to the frame around.

use std::sync::Arc;

use serde_json::json;

use crate::data_flow::Extras;
use crate::decide::{Deciding, Halt, Step};
use crate::definition::{Catcher, Jitter, State};
use crate::execution::{EventKind, Failure, FrameId, OpenState, Position, StateType, Waiting};
use crate::fault::{Fault, matches};
use crate::ids::EventId;
use crate::step;

/// Where a failure of the state in a frame comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// From the state itself.
    Own,
    /// From a branch or iteration, whose failing public event this is.
    Child(EventId),
}

/// Deals with the failure of the state in `frame`: retries, catches, or ends the frame and goes on around it.
pub(crate) fn fail(deciding: &mut Deciding<'_>, frame: FrameId, fault: Fault) -> Step {
    handle(deciding, frame, fault, Origin::Own)
}

pub(crate) fn handle(deciding: &mut Deciding<'_>, frame: FrameId, fault: Fault, origin: Origin) -> Step {
    let (mut frame, mut fault, mut origin) = (frame, fault, origin);
    loop {
        match settle(deciding, frame, &mut fault, origin)? {
            Settled::Handled => return Ok(()),
            Settled::Around(parent, failing) => (frame, origin) = (parent, Origin::Child(failing)),
        }
    }
}

enum Settled {
    Handled,
    /// The frame is lost: the failure goes to the frame around, with the failing public event.
    Around(FrameId, EventId),
}

fn settle(deciding: &mut Deciding<'_>, frame: FrameId, fault: &mut Fault, origin: Origin) -> Step<Settled> {
    let state = deciding.state(frame)?;
    let open = deciding.open(frame)?.clone();
    let mut shows_failed = matches!(origin, Origin::Child(_));
    if show_evaluation(deciding, frame, fault)? {
        shows_failed |= open.state == StateType::Map;
    }
    let failing = match origin {
        Origin::Child(failing) => failing,
        Origin::Own => {
            let chain = deciding.frame(frame)?.chain;
            abort_children(deciding, frame, chain, None)?;
            chain
        }
    };
    let branch = open.state == StateType::Parallel && matches!(origin, Origin::Child(_));
    if retry(deciding, frame, state, &open, fault, branch, failing)? {
        return Ok(Settled::Handled);
    }
    if shows_failed {
        let kind = if open.state == StateType::Map { EventKind::MapFailed } else { EventKind::ParallelFailed };
        deciding.emit_after(frame, failing, kind)?;
    }
    if let Some(catcher) = state.catch.iter().find(|catcher| matches(&catcher.error_equals, fault, branch)) {
        match catch(deciding, frame, catcher, fault) {
            Ok(()) => return Ok(Settled::Handled),
            // What goes wrong in a catcher is not for the same state to handle.
            Err(Halt::Fault(own)) => {
                *fault = *own;
                show_evaluation(deciding, frame, fault)?;
            }
            Err(halt) => return Err(halt),
        }
    }
    leave(deciding, frame, fault)
}

/// Writes down that a JSONata expression failed, if that is what happened.
fn show_evaluation(deciding: &mut Deciding<'_>, frame: FrameId, fault: &mut Fault) -> Step<bool> {
    let Some(location) = fault.evaluation.take() else { return Ok(false) };
    let chain = deciding.frame(frame)?.chain;
    let open = deciding.open(frame)?;
    // Recorded: what fails right after the entry points to the predecessor of the entered event.
    let on_entry = chain == open.entered_id && location.as_deref() != Some("Timestamp");
    let previous = if on_entry { open.entered_previous } else { chain };
    let kind = EventKind::EvaluationFailed { name: open.name.clone(), failure: fault.failure.clone(), location };
    deciding.emit_after(frame, previous, kind)?;
    Ok(true)
}

fn retry(
    deciding: &mut Deciding<'_>,
    frame: FrameId,
    state: &State,
    open: &OpenState,
    fault: &Fault,
    branch: bool,
    failing: EventId,
) -> Step<bool> {
    let found = state.retry.iter().enumerate().find(|(_, retrier)| matches(&retrier.error_equals, fault, branch));
    let Some((index, retrier)) = found else { return Ok(false) };
    let used = open.retries.get(index).copied().unwrap_or(0);
    // An exhausted retrier does not pass on to the next one.
    if used >= retrier.attempts_max {
        return Ok(false);
    }
    let delay_seconds = retrier.delay(u32::try_from(used + 1).unwrap_or(u32::MAX));
    let delay_seconds = match retrier.jitter {
        Jitter::None => delay_seconds,
        Jitter::Full => delay_seconds * deciding.random.fraction(),
    };
    let due_at = deciding.turn.now.plus_millis((delay_seconds * 1000.0) as i64);
    deciding.emit(frame, EventKind::RetryScheduled { retrier: index, due_at, chain: failing })?;
    Ok(true)
}

fn catch(deciding: &mut Deciding<'_>, frame: FrameId, catcher: &Catcher, fault: &Fault) -> Step {
    let error_output = Arc::new(json!({"Error": fault.failure.error, "Cause": fault.failure.cause}));
    let (output, assigned) = {
        let evaluation = deciding.evaluation(frame)?;
        let extras = Extras { result: None, error_output: Some(&error_output) };
        let output = if evaluation.is_jsonata() {
            evaluation.jsonata_output(catcher.output.as_ref(), &error_output, extras)?
        } else {
            evaluation.place(&catcher.result_path, &error_output)?
        };
        (output, evaluation.assigned(catcher.assign.as_ref(), &error_output, extras)?)
    };
    step::exit(deciding, frame, output, assigned, Some(catcher.next.clone()))
}

/// The frame is lost: ends the execution at the top, else tells the siblings.
fn leave(deciding: &mut Deciding<'_>, frame: FrameId, fault: &mut Fault) -> Step<Settled> {
    let failing = deciding.frame(frame)?.chain;
    let Some(parent) = deciding.frame(frame)?.parent else {
        deciding.emit(frame, EventKind::ExecutionFailed { failure: fault.failure.clone() })?;
        return Ok(Settled::Handled);
    };
    if deciding.children(parent)?.map_run.is_some() {
        return step::map::child_failed(deciding, parent, frame, fault).map(|exceeded| match exceeded {
            Some(exceeded) => Settled::Around(parent, exceeded),
            None => Settled::Handled,
        });
    }
    abort_children(deciding, parent, failing, Some((frame, &fault.failure)))?;
    Ok(Settled::Around(parent, failing))
}

/// Writes down that the open branches or iterations of the state in `frame` are given up, the failed one first.
///
/// A state that failed itself counts as open: it was entered and never left.
fn abort_children(
    deciding: &mut Deciding<'_>,
    frame: FrameId,
    failing: EventId,
    failed: Option<(FrameId, &Failure)>,
) -> Step {
    let open = deciding.open(frame)?;
    let (name, kind) = (open.name.clone(), open.state);
    let Some(Waiting::Children(children)) = &open.waiting else { return Ok(()) };
    if children.map_run.is_some() {
        return Ok(());
    }
    let mut children = children.open.clone();
    children.sort_by_key(|child| failed.is_none_or(|(failed, _)| failed != *child));
    for child in children {
        let failure = failed.filter(|(failed, _)| *failed == child).map(|(_, failure)| failure);
        if kind == StateType::Map {
            let (name, index) = (name.clone(), deciding.frame(child)?.index);
            let kind = match failure {
                Some(failure) => EventKind::MapIterationFailed { name, index, failure: failure.clone() },
                None => EventKind::MapIterationAborted { name, index },
            };
            deciding.emit_after(child, failing, kind)?;
        }
        abort_state(deciding, child, failing, failure.is_some())?;
    }
    Ok(())
}

fn abort_state(deciding: &mut Deciding<'_>, frame: FrameId, failing: EventId, failed: bool) -> Step {
    let Position::Open(open) = &deciding.frame(frame)?.position else { return Ok(()) };
    let (name, state) = (open.name.clone(), open.state);
    match state {
        StateType::Task | StateType::Wait => {}
        // A Parallel or Map that failed has said so by its own event.
        StateType::Parallel | StateType::Map if !failed => abort_children(deciding, frame, failing, None)?,
        _ => return Ok(()),
    }
    deciding.emit_after(frame, failing, EventKind::StateAborted { name, state }).map(drop)
}
