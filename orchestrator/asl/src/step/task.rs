//! Task: hands work out and takes its outcome.

use std::sync::Arc;

use serde_json::Value;

use crate::data_flow::{Extras, size_bytes};
use crate::decide::{Deciding, Step};
use crate::definition::{Pattern, Resource, Task};
use crate::execution::{EventKind, Failure, FrameId, OpenTask, Waiting};
use crate::fault::{Class, Fault, HEARTBEAT_TIMEOUT, RUNTIME, TIMEOUT, prefix, too_large};
use crate::ids::{TaskId, TaskToken};
use crate::step;

/// Schedules the task.
pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId, task: &Task) -> Step {
    let open = deciding.open(frame)?;
    if let Resource::Activity(arn) = &task.resource
        && deciding.missing_activities.contains(arn)
    {
        let cause = format!("{}The activity {arn} does not exist.", prefix(open));
        return Err(Fault::named(Failure::new(RUNTIME, cause)).into());
    }
    let attempt = open.retry_count() + 1;
    // The token is named after the event that is about to be written.
    let id = TaskId(deciding.execution.last_event_id + 1);
    let token = may_carry_token(&task.resource)
        .then(|| TaskToken::new(deciding.execution.identity.id, id, deciding.random.bytes16()));
    let (input, timeout_seconds, heartbeat_seconds, credentials) = {
        let evaluation = deciding.evaluation(frame)?.with_token(token.clone());
        let filtered = evaluation.filtered_input()?;
        let seconds = |operand: &Option<_>, field| {
            operand.as_ref().map(|operand| evaluation.whole_number(operand, field, &filtered, 1)).transpose()
        };
        let timeout_seconds = seconds(&task.timeout_seconds, "TimeoutSeconds")?;
        let heartbeat_seconds = seconds(&task.heartbeat_seconds, "HeartbeatSeconds")?;
        let credentials = match &task.credentials {
            Some(template) => {
                Some(Arc::new(evaluation.template(template, "Credentials", &filtered, Extras::default())?))
            }
            None => None,
        };
        (evaluation.arguments(&filtered)?, timeout_seconds, heartbeat_seconds, credentials)
    };
    if size_bytes(&input) > deciding.turn.limits.payload_bytes_max {
        return Err(Fault::terminal(too_large(&deciding.open(frame)?.name)).into());
    }
    let kind = EventKind::TaskScheduled {
        attempt,
        resource: Arc::new(task.resource.clone()),
        input,
        region: deciding.turn.region.clone(),
        token,
        timeout_seconds,
        heartbeat_seconds,
        credentials,
    };
    deciding.emit(frame, kind).map(drop)
}

/// Somebody took the task.
pub(crate) fn started(deciding: &mut Deciding<'_>, frame: FrameId, task: TaskId, worker: Option<String>) -> Step {
    let resource = open_task(deciding, frame)?.resource.clone();
    deciding.emit(frame, EventKind::TaskStarted { task, resource, worker }).map(drop)
}

/// What the task waits for was submitted.
pub(crate) fn submitted(deciding: &mut Deciding<'_>, frame: FrameId, task: TaskId, output: &Arc<Value>) -> Step {
    let resource = ensure_started(deciding, frame, task)?;
    deciding.emit(frame, EventKind::TaskSubmitted { task, resource, output: output.clone() }).map(drop)
}

/// The task is done: its result becomes the output of the state.
pub(crate) fn succeeded(deciding: &mut Deciding<'_>, frame: FrameId, task: TaskId, result: &Arc<Value>) -> Step {
    let resource = ensure_started(deciding, frame, task)?;
    if size_bytes(result) > deciding.turn.limits.payload_bytes_max {
        let failure = too_large(match &*resource {
            Resource::Activity(name) | Resource::Lambda(name) | Resource::Service { service: name, .. } => name,
        });
        deciding.emit(frame, EventKind::TaskFailed { task, resource, failure: failure.clone() })?;
        return Err(Fault::named(failure).into());
    }
    deciding.emit(frame, EventKind::TaskSucceeded { task, resource, output: result.clone() })?;
    finish(deciding, frame, result)
}

/// Leaves a Task, Parallel or Map with its result.
pub(crate) fn finish(deciding: &mut Deciding<'_>, frame: FrameId, result: &Arc<Value>) -> Step {
    let previous = deciding.frame(frame)?.chain;
    finish_after(deciding, frame, previous, result)
}

/// [`finish`] with the public event that the exit points back to.
pub(crate) fn finish_after(deciding: &mut Deciding<'_>, frame: FrameId, previous: u64, result: &Arc<Value>) -> Step {
    let state = deciding.state(frame)?;
    let (output, assigned) = {
        let evaluation = deciding.evaluation(frame)?;
        let output = evaluation.output_of_result(result)?;
        let extras = Extras { result: Some(result), error_output: None };
        (output, evaluation.assigned(state.assign.as_ref(), result, extras)?)
    };
    let next = step::next_of(deciding, frame)?;
    step::exit_after(deciding, frame, previous, output, assigned, next)
}

/// The task failed. A failure by the name of a timeout is one.
pub(crate) fn failed(deciding: &mut Deciding<'_>, frame: FrameId, task: TaskId, failure: &Failure) -> Step {
    let resource = ensure_started(deciding, frame, task)?;
    let failure = failure.clone();
    let class = match failure.error.as_deref() {
        Some(TIMEOUT) => Class::Named,
        Some(HEARTBEAT_TIMEOUT) => Class::Heartbeat,
        _ => {
            deciding.emit(frame, EventKind::TaskFailed { task, resource, failure: failure.clone() })?;
            return Err(Fault::named(failure).into());
        }
    };
    let failure = Failure { error: Some(TIMEOUT.to_owned()), ..failure };
    time_out(deciding, frame, task, resource, failure, class)
}

/// `TimeoutSeconds` is over, or a heartbeat is missing.
pub(crate) fn timed_out(deciding: &mut Deciding<'_>, frame: FrameId, task: TaskId, heartbeat: bool) -> Step {
    let resource = ensure_started(deciding, frame, task)?;
    let class = if heartbeat { Class::Heartbeat } else { Class::Named };
    time_out(deciding, frame, task, resource, Failure::named(TIMEOUT), class)
}

fn time_out(
    deciding: &mut Deciding<'_>,
    frame: FrameId,
    task: TaskId,
    resource: Arc<Resource>,
    failure: Failure,
    class: Class,
) -> Step {
    deciding.emit(frame, EventKind::TaskTimedOut { task, resource, failure: failure.clone() })?;
    Err(Fault { class, ..Fault::named(failure) }.into())
}

/// Outcomes may arrive before the news that the task was taken; the order of events holds all the same.
fn ensure_started(deciding: &mut Deciding<'_>, frame: FrameId, task: TaskId) -> Step<Arc<Resource>> {
    if open_task(deciding, frame)?.started_at.is_none() {
        started(deciding, frame, task, None)?;
    }
    Ok(open_task(deciding, frame)?.resource.clone())
}

fn open_task<'d>(deciding: &'d Deciding<'_>, frame: FrameId) -> Step<&'d OpenTask> {
    match &deciding.open(frame)?.waiting {
        Some(Waiting::Task(task)) => Ok(task),
        _ => Err(deciding.corrupted("a state does not wait for its task")),
    }
}

/// The patterns whose arguments may carry a token; an activity's is made when a worker takes the task.
const fn may_carry_token(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { pattern: Pattern::Sync | Pattern::Sync2 | Pattern::WaitForTaskToken, .. })
}
