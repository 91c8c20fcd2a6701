//! What happens when a state fails: Retry, Catch, or the failure goes to the frame around.

use std::sync::Arc;

use serde_json::json;

use crate::data_flow::Extras;
use crate::decide::{Deciding, Halt, Step};
use crate::definition::{Catcher, Jitter, State};
use crate::execution::{EventKind, Failure, FrameId, OpenState, Position, StateType, Waiting};
use crate::ids::EventId;
use crate::query::EvalError;
use crate::step;

/// `States.Runtime`: data that cannot be processed. Never retried, never caught.
pub(crate) const RUNTIME: &str = "States.Runtime";
/// `States.Timeout`; the history shows a missed heartbeat by the same name.
pub(crate) const TIMEOUT: &str = "States.Timeout";
/// `States.HeartbeatTimeout`: what Retry and Catch may call a missed heartbeat.
pub(crate) const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
/// `States.DataLimitExceeded`: more bytes than a payload may have.
pub(crate) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

/// A failure on its way to whoever handles it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub failure: Failure,
    pub class: Class,
    /// Set where a JSONata expression failed and the history does not say so yet: its location.
    pub evaluation: Option<Option<String>>,
}

/// What Retry and Catch must know beyond the error's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Matched by its name.
    Named,
    /// A missed heartbeat, which goes by two names.
    Heartbeat,
    /// Nobody can handle it.
    Terminal,
}

impl Fault {
    /// A failure that is matched by its name.
    pub fn named(failure: Failure) -> Self {
        Self { failure, class: Class::Named, evaluation: None }
    }

    /// A failure that nobody can handle.
    pub fn terminal(failure: Failure) -> Self {
        Self { failure, class: Class::Terminal, evaluation: None }
    }

    /// An expression of `open` has no value.
    pub fn evaluation(open: &OpenState, jsonata: bool, error: EvalError) -> Self {
        let failure = Failure::new(error.error, format!("{}{}", prefix(open), error.cause));
        Self { failure, class: Class::Named, evaluation: jsonata.then_some(error.location) }
    }
}

/// How AWS begins the cause of what goes wrong inside a state.
pub(crate) fn prefix(open: &OpenState) -> String {
    format!(
        "An error occurred while executing the state '{}' (entered at the event id #{}). ",
        open.name, open.entered_id
    )
}

/// What a result or output above the payload limit fails with.
pub(crate) fn too_large(whose: &str) -> Failure {
    Failure::new(
        DATA_LIMIT_EXCEEDED,
        format!(
            "The state/task '{whose}' returned a result with a size exceeding the maximum number of bytes service limit."
        ),
    )
}

/// Whether a retrier or catcher is for this failure. `branch`: a branch of the Parallel state itself failed.
pub(crate) fn matches(error_equals: &[String], fault: &Fault, branch: bool) -> bool {
    let name = fault.failure.error.as_deref();
    if fault.class == Class::Terminal || name == Some(RUNTIME) {
        return false;
    }
    let heartbeat = fault.class == Class::Heartbeat || name == Some(HEARTBEAT_TIMEOUT);
    error_equals.iter().any(|pattern| match pattern.as_str() {
        "States.ALL" => true,
        "States.TaskFailed" => name != Some(TIMEOUT) && !heartbeat,
        "States.BranchFailed" if branch => true,
        TIMEOUT => name == Some(TIMEOUT) || heartbeat,
        HEARTBEAT_TIMEOUT => heartbeat,
        pattern => name == Some(pattern),
    })
}

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
    if let Some(location) = fault.evaluation.take() {
        let chain = deciding.frame(frame)?.chain;
        // Recorded: what fails right after the entry points to the predecessor of the entered event.
        let on_entry = chain == open.entered_id && location.as_deref() != Some("Timestamp");
        let previous = if on_entry { open.entered_previous } else { chain };
        let kind = EventKind::EvaluationFailed { name: open.name.clone(), failure: fault.failure.clone(), location };
        deciding.emit_after(frame, previous, kind)?;
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
            Err(Halt::Fault(own)) => *fault = *own,
            Err(halt) => return Err(halt),
        }
    }
    leave(deciding, frame, fault)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_match_as_the_service_matches_them() {
        let heartbeat = Fault { class: Class::Heartbeat, ..Fault::named(Failure::named(TIMEOUT)) };
        let cases = [
            ("States.ALL", Fault::named(Failure::default()), true),
            ("States.TaskFailed", Fault::named(Failure::default()), true),
            ("States.TaskFailed", Fault::named(Failure::named("Own")), true),
            ("States.TaskFailed", Fault::named(Failure::named(TIMEOUT)), false),
            ("States.TaskFailed", heartbeat.clone(), false),
            ("States.Timeout", heartbeat.clone(), true),
            ("States.HeartbeatTimeout", heartbeat, true),
            ("States.HeartbeatTimeout", Fault::named(Failure::named(TIMEOUT)), false),
            ("States.ALL", Fault::named(Failure::named(TIMEOUT)), true),
            ("States.ALL", Fault::named(Failure::named(RUNTIME)), false),
            ("States.Runtime", Fault::named(Failure::named(RUNTIME)), false),
            ("States.ALL", Fault::named(Failure::named(DATA_LIMIT_EXCEEDED)), true),
            ("States.ALL", Fault::terminal(too_large("x")), false),
            ("Own", Fault::named(Failure::named("Own")), true),
            ("own", Fault::named(Failure::named("Own")), false),
            ("States.BranchFailed", Fault::named(Failure::named("Own")), false),
        ];
        for (pattern, fault, expected) in cases {
            assert_eq!(matches(&[pattern.to_owned()], &fault, false), expected, "{pattern}: {fault:?}");
        }
        assert!(matches(&["States.BranchFailed".to_owned()], &Fault::named(Failure::named("Own")), true));
    }
}
