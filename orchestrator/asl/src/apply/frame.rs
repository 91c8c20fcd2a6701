//! Frames as events change them: opened, looked up, closed with all that is inside.

use std::sync::Arc;

use serde_json::Value;

use crate::definition::{ScopeId, StateMachine};
use crate::execution::{Children, Event, Execution, Frame, FrameId, OpenState, OpenTask, Position, Waiting};
use crate::ids::{EventId, TaskId};

/// A change, or why the event does not fit.
pub(super) type Fit<T = ()> = Result<T, &'static str>;

/// A frame about to enter the first state of its scope.
pub(super) fn open_frame(
    machine: &StateMachine,
    scope: ScopeId,
    parent: Option<FrameId>,
    index: u64,
    input: Arc<Value>,
    chain: EventId,
    since: EventId,
) -> Frame {
    Frame {
        scope,
        parent,
        index,
        variables: Arc::default(),
        chain,
        position: Position::Entering { name: machine.scope(scope).start_at.clone(), input, since },
        states_entered: 0,
        hidden: false,
    }
}

pub(super) fn open_child(
    execution: &mut Execution,
    machine: &StateMachine,
    event: &Event,
    scope: ScopeId,
    index: u64,
    input: Arc<Value>,
) -> Fit {
    if scope.0 as usize >= machine.scopes.len() {
        return Err("the definition has no such `States`");
    }
    let around = frame(execution, event.frame)?;
    let (hidden, chain) = (around.hidden, around.chain);
    let children = children(execution, event.frame)?;
    let hidden = hidden || children.map_run.is_some();
    children.opened += 1;
    children.open.push(FrameId(event.id));
    let chain = match event.public {
        Some(public) => public.id,
        None if hidden => 0,
        None => chain,
    };
    let frame = open_frame(machine, scope, Some(event.frame), index, input, chain, event.id);
    execution.frames.insert(FrameId(event.id), Frame { hidden, ..frame });
    Ok(())
}

/// Removes the frame and all frames inside it.
pub(super) fn close(execution: &mut Execution, id: FrameId) {
    if let Some(frame) = execution.frames.remove(&id)
        && let Position::Open(state) = frame.position
        && let Some(Waiting::Children(children)) = state.waiting
    {
        for child in children.open {
            close(execution, child);
        }
    }
}

pub(super) fn close_children(execution: &mut Execution, id: FrameId) -> Fit {
    let closed = match &mut open(execution, id)?.waiting {
        Some(Waiting::Children(children)) => std::mem::take(&mut children.open),
        _ => Vec::new(),
    };
    for child in closed {
        close(execution, child);
    }
    Ok(())
}

pub(super) fn fit(number: u64) -> Fit<usize> {
    usize::try_from(number).map_err(|_| "a number is out of range")
}

pub(super) fn frame(execution: &mut Execution, id: FrameId) -> Fit<&mut Frame> {
    execution.frames.get_mut(&id).ok_or("its frame is not open")
}

pub(super) fn open(execution: &mut Execution, id: FrameId) -> Fit<&mut OpenState> {
    match &mut frame(execution, id)?.position {
        Position::Open(state) => Ok(state),
        Position::Entering { .. } | Position::Ended { .. } => Err("its frame is in no state"),
    }
}

pub(super) fn open_task(execution: &mut Execution, id: FrameId, task: TaskId) -> Fit<&mut OpenTask> {
    match &mut open(execution, id)?.waiting {
        Some(Waiting::Task(open_task)) if open_task.task == task => Ok(open_task),
        _ => Err("its frame does not wait for this task"),
    }
}

pub(super) fn children(execution: &mut Execution, id: FrameId) -> Fit<&mut Children> {
    match &mut open(execution, id)?.waiting {
        Some(Waiting::Children(children)) => Ok(children),
        _ => Err("its frame has no branches or iterations"),
    }
}
