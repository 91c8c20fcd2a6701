//! What each type of state does: one file per type.
//!
//! A step evaluates what the state needs, writes events down and leaves the frame waiting, about to enter the next state,
//! or at its end. A failure is a [`Halt::Fault`]; whoever called deals with it by Retry and Catch.

use std::sync::Arc;

use serde_json::Value;

use crate::data_flow::size_bytes;
use crate::decide::{Deciding, Halt, Step};
use crate::definition::{Next, StateKind};
use crate::execution::{EventKind, Failure, FrameId, Position, StateType};
use crate::fault::{Fault, RUNTIME, too_large};
use crate::ids::{EventId, StateName};
use crate::query::VariableMap;

pub(crate) mod choice;
pub(crate) mod fail;
pub(crate) mod map;
pub(crate) mod parallel;
pub(crate) mod pass;
pub(crate) mod succeed;
pub(crate) mod task;
pub(crate) mod wait;

/// Enters the state that `frame` is about to enter, and does its work.
pub(crate) fn enter(deciding: &mut Deciding<'_>, frame: FrameId) -> Step {
    let Position::Entering { name, input, .. } = &deciding.frame(frame)?.position else { return Ok(()) };
    let (name, input) = (name.clone(), input.clone());
    let scope = deciding.frame(frame)?.scope;
    let state = deciding.machine.state(scope, &name).map_or(StateType::Pass, |state| type_of(&state.kind));
    deciding.emit(frame, EventKind::StateEntered { name, state, input })?;
    deciding.attempt(frame, |deciding| work(deciding, frame))
}

/// Does the work of the state that `frame` is in: after its entry, and once more for every retry.
pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId) -> Step {
    bound_hidden(deciding, frame)?;
    match &deciding.state(frame)?.kind {
        StateKind::Pass { result } => pass::work(deciding, frame, result.as_ref()),
        StateKind::Task(task) => task::work(deciding, frame, task),
        StateKind::Choice(choice) => choice::work(deciding, frame, choice),
        StateKind::Wait(wait) => wait::work(deciding, frame, wait),
        StateKind::Succeed => succeed::work(deciding, frame),
        StateKind::Fail(fail) => fail::work(deciding, frame, fail),
        StateKind::Parallel { branches } => parallel::work(deciding, frame, branches),
        StateKind::Map(map) => map::work(deciding, frame, map),
    }
}

/// The name of a state's type.
pub(crate) const fn type_of(kind: &StateKind) -> StateType {
    match kind {
        StateKind::Pass { .. } => StateType::Pass,
        StateKind::Task(_) => StateType::Task,
        StateKind::Choice(_) => StateType::Choice,
        StateKind::Wait(_) => StateType::Wait,
        StateKind::Succeed => StateType::Succeed,
        StateKind::Fail(_) => StateType::Fail,
        StateKind::Parallel { .. } => StateType::Parallel,
        StateKind::Map(_) => StateType::Map,
    }
}

/// `Next` as the state says it; `None` ends the frame.
pub(crate) fn next_of(deciding: &Deciding<'_>, frame: FrameId) -> Step<Option<StateName>> {
    Ok(match &deciding.state(frame)?.next {
        Next::State(name) => Some(name.clone()),
        Next::End | Next::Absent => None,
    })
}

/// Leaves the state with `output`; at the end of a frame goes on around it.
pub(crate) fn exit(
    deciding: &mut Deciding<'_>,
    frame: FrameId,
    output: Arc<Value>,
    assigned: Option<Arc<VariableMap>>,
    next: Option<StateName>,
) -> Step {
    let previous = deciding.frame(frame)?.chain;
    exit_after(deciding, frame, previous, output, assigned, next)
}

/// [`exit`] with the public event that the exit points back to.
pub(crate) fn exit_after(
    deciding: &mut Deciding<'_>,
    frame: FrameId,
    previous: EventId,
    output: Arc<Value>,
    assigned: Option<Arc<VariableMap>>,
    next: Option<StateName>,
) -> Step {
    let open = deciding.open(frame)?;
    let (name, state) = (open.name.clone(), open.state);
    let most = deciding.turn.limits.payload_bytes_max;
    let assigned_bytes = |variables: &Arc<VariableMap>| variables.values().map(size_bytes).sum::<usize>();
    if size_bytes(&output) > most || assigned.as_ref().map_or(0, assigned_bytes) > most {
        return Err(Fault::terminal(too_large(&name)).into());
    }
    let ended = next.is_none();
    deciding.emit_after(frame, previous, EventKind::StateExited { name, state, output, assigned, next })?;
    if ended { end(deciding, frame) } else { Ok(()) }
}

/// The frame is at its end: the execution succeeded, or the state around it may go on.
fn end(deciding: &mut Deciding<'_>, frame: FrameId) -> Step {
    let closing = deciding.frame(frame)?;
    let Position::Ended { output } = &closing.position else { return Ok(()) };
    let Some(parent) = closing.parent else {
        let output = output.clone();
        return deciding.emit(frame, EventKind::ExecutionSucceeded { output }).map(drop);
    };
    // What fails from here on is the state around, not the one that was left.
    deciding.attempt(parent, |deciding| match deciding.open(parent)?.state {
        StateType::Map => map::iteration_ended(deciding, parent, frame),
        _ => parallel::branch_ended(deciding, parent, frame),
    })
}

/// Frames whose events the history does not count are bounded all the same: half as many states as a history has
/// events, since each state has at least two.
fn bound_hidden(deciding: &Deciding<'_>, frame: FrameId) -> Step {
    let most = deciding.turn.limits.history_events_max;
    let here = deciding.frame(frame)?;
    if here.hidden && here.states_entered > most / 2 {
        let cause = format!("The execution reached the maximum number of history events ({most}).");
        return Err(Halt::from(Fault::terminal(Failure::new(RUNTIME, cause))));
    }
    Ok(())
}
