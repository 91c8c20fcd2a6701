//! Map: its processor once per item; the result is the array of the outputs in the order of the items.
//!
//! A distributed Map over state data runs in the same way, in frames whose events the history does not show: there AWS
//! shows the map run alone. Item readers, batchers and result writers are not supported yet.

use std::sync::Arc;

use serde_json::Value;

use crate::context::item;
use crate::data_flow::{Evaluation, Extras};
use crate::decide::{Deciding, Step};
use crate::definition::{Distributed, Map, Operand, StateKind};
use crate::execution::{EventKind, Failure, FrameId, Identity, MapItems};
use crate::fault::Fault;
use crate::ids::EventId;
use crate::operand::bare;
use crate::query::Random;
use crate::step::{parallel, task};

pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId, map: &Map) -> Step {
    let (items, input, concurrency) = {
        let evaluation = deciding.evaluation(frame)?;
        if let Some(field) = map.distributed.as_ref().and_then(unsupported) {
            let cause = format!("Stepwell does not support {field} of a distributed Map yet.");
            return Err(evaluation.runtime(cause).into());
        }
        let input = evaluation.filtered_input()?;
        let items = items(&evaluation, map, &input)?;
        let most = deciding.turn.limits.map_concurrency_max.max(1);
        let concurrency = match &map.max_concurrency {
            Some(operand) => evaluation.whole_number(operand, "MaxConcurrency", &input, 0)?,
            None => 0,
        };
        (items, input, if concurrency == 0 { most } else { concurrency.min(most) })
    };
    let length = items.len() as u64;
    deciding.emit(frame, EventKind::MapStarted { length, items, input: input.clone(), concurrency })?;
    if let Some(distributed) = &map.distributed {
        start_map_run(deciding, frame, map, distributed, &input)?;
    }
    let previous = deciding.frame(frame)?.chain;
    advance(deciding, frame, previous)
}

/// An iteration came to its end: the next ones open, the last one ends the state.
pub(crate) fn iteration_ended(deciding: &mut Deciding<'_>, frame: FrameId, iteration: FrameId) -> Step {
    let name = deciding.open(frame)?.name.clone();
    let ended = deciding.frame(iteration)?;
    let (index, chain) = (ended.index, ended.chain);
    deciding.emit_after(iteration, chain, EventKind::MapIterationSucceeded { name, index })?;
    advance(deciding, frame, chain)
}

/// An iteration of a distributed Map failed. Gives the failing public event if that is more than is tolerated.
pub(crate) fn child_failed(
    deciding: &mut Deciding<'_>,
    frame: FrameId,
    iteration: FrameId,
    fault: &mut Fault,
) -> Step<Option<EventId>> {
    let name = deciding.open(frame)?.name.clone();
    let index = deciding.frame(iteration)?.index;
    let failure = fault.failure.clone();
    deciding.emit(iteration, EventKind::MapIterationFailed { name, index, failure })?;
    let children = deciding.children(frame)?;
    let tolerated = children.map_run.as_ref().is_some_and(|run| {
        let percentage = 100.0 * children.failed as f64 / children.total.max(1) as f64;
        // Either threshold may be given alone; the other one is then 0 and says nothing.
        match (run.tolerated_failure_count, run.tolerated_failure_percentage) {
            (0, percentage_max) => percentage <= percentage_max,
            (count_max, 0.0) => children.failed <= count_max,
            (count_max, percentage_max) => children.failed <= count_max && percentage <= percentage_max,
        }
    });
    if tolerated {
        let previous = deciding.frame(frame)?.chain;
        deciding.attempt(frame, |deciding| advance(deciding, frame, previous))?;
        return Ok(None);
    }
    let failure = Failure::new(
        "States.ExceedToleratedFailureThreshold",
        "The specified tolerated failure threshold was exceeded",
    );
    *fault = Fault::named(failure.clone());
    deciding.emit(frame, EventKind::MapRunFailed { failure })?;
    Ok(Some(deciding.frame(frame)?.chain))
}

/// Opens as many iterations as may run; ends the state when all are done.
fn advance(deciding: &mut Deciding<'_>, frame: FrameId, previous: EventId) -> Step {
    let StateKind::Map(map) = &deciding.state(frame)?.kind else {
        return Err(deciding.corrupted("iterations belong to a state that is no Map"));
    };
    loop {
        let children = deciding.children(frame)?;
        if children.opened == children.total || children.open.len() as u64 >= children.concurrency {
            break;
        }
        let (index, input) = (children.opened, iteration_input(deciding, frame, map)?);
        let name = deciding.open(frame)?.name.clone();
        let kind = EventKind::MapIterationStarted { name, scope: map.processor, index, input };
        deciding.emit_after(frame, previous, kind)?;
    }
    let children = deciding.children(frame)?;
    if children.finished() < children.total {
        return Ok(());
    }
    let result = parallel::results(&children.results);
    let run_started_id = children.map_run.as_ref().map(|run| run.started_id);
    if run_started_id.is_some() {
        deciding.emit(frame, EventKind::MapRunSucceeded)?;
    }
    let joined = deciding.frame(frame)?.chain;
    // Recorded: the exit points to `MapRunSucceeded` where the Map is the first state, else to `MapRunStarted`.
    let exit_previous = match run_started_id {
        Some(started_id) if deciding.open(frame)?.entered_previous != 0 => started_id,
        _ => joined,
    };
    deciding.emit(frame, EventKind::MapSucceeded)?;
    task::finish_after(deciding, frame, exit_previous, &result)
}

fn iteration_input(deciding: &Deciding<'_>, frame: FrameId, map: &Map) -> Step<Arc<Value>> {
    let children = deciding.children(frame)?;
    let index = usize::try_from(children.opened).unwrap_or(usize::MAX);
    let found = children.items.as_ref().and_then(|items| Some((items, items.get(index)?)));
    let Some((items, (key, value))) = found else {
        return Err(deciding.corrupted("a Map has fewer items than it had"));
    };
    let Some(selector) = &map.item_selector else {
        return Ok(Arc::new(match key {
            Some(key) => serde_json::json!({"Key": key, "Value": value}),
            None => value.clone(),
        }));
    };
    let shown = item(items, index, children.map_run.is_some());
    let evaluation = deciding.evaluation(frame)?.with_item(shown);
    Ok(Arc::new(evaluation.template(selector, "ItemSelector", &children.input, Extras::default())?))
}

fn items(evaluation: &Evaluation<'_>, map: &Map, input: &Arc<Value>) -> Result<MapItems, Fault> {
    let (value, source) = match &map.items {
        None => match &map.items_template {
            Some(template) => (Arc::new(evaluation.template(template, "Items", input, Extras::default())?), None),
            None => (input.clone(), None),
        },
        Some(Operand::Literal(items)) => (Arc::new(items.clone()), None),
        Some(Operand::Path(path)) => (Arc::new(evaluation.expression(path, "ItemsPath", input)?), Some(path)),
        Some(Operand::Jsonata(items)) => (Arc::new(evaluation.expression(items, "Items", input)?), Some(items)),
    };
    match (&*value, source) {
        (Value::Array(_), _) => Ok(MapItems(value)),
        (Value::Object(_), _) if !evaluation.is_jsonata() => Ok(MapItems(value)),
        (other, Some(expression)) if evaluation.is_jsonata() => {
            let mut fault = evaluation.unexpected_type(expression, "Items", "array", other);
            fault.evaluation = Some(Some("Items".to_owned()));
            Err(fault)
        }
        (other, None) if evaluation.is_jsonata() => {
            Err(evaluation.query_failure(format!("Map state input must be an array but was: {}", bare(other)), None))
        }
        (_, path) => {
            let path = path.map_or("$", |path| path.text());
            Err(evaluation.runtime(format!("Reference path \"{path}\" must point to array.")))
        }
    }
}

fn start_map_run(
    deciding: &mut Deciding<'_>,
    frame: FrameId,
    map: &Map,
    distributed: &Distributed,
    input: &Arc<Value>,
) -> Step {
    let (tolerated_failure_count, tolerated_failure_percentage) = {
        let evaluation = deciding.evaluation(frame)?;
        let count = match &map.tolerated_failure_count {
            Some(operand) => evaluation.signed_number(operand, "ToleratedFailureCount", input)?,
            None => 0,
        };
        let Ok(count) = u64::try_from(count) else {
            return Err(evaluation.runtime("ToleratedFailureCount cannot be negative.".to_owned()).into());
        };
        let percentage = match &map.tolerated_failure_percentage {
            Some(operand) => evaluation.number(operand, "ToleratedFailurePercentage", input)?,
            None => 0.0,
        };
        if !(0.0..=100.0).contains(&percentage) {
            let cause = "ToleratedFailurePercentage must be between 0 and 100.";
            return Err(evaluation.runtime(cause.to_owned()).into());
        }
        (count, percentage)
    };
    let label = match &distributed.label {
        Some(label) => label.clone(),
        None => label_of(&deciding.open(frame)?.name),
    };
    let arn = map_run_arn(&deciding.execution.identity, &label, &deciding.random);
    let kind = EventKind::MapRunStarted { arn, tolerated_failure_count, tolerated_failure_percentage };
    deciding.emit(frame, kind).map(drop)
}

/// The first field of a distributed Map that cannot be run.
fn unsupported(distributed: &Distributed) -> Option<&'static str> {
    [
        (distributed.item_reader.is_some(), "ItemReader"),
        (distributed.item_batcher.is_some(), "ItemBatcher"),
        (distributed.result_writer.is_some(), "ResultWriter"),
    ]
    .into_iter()
    .find_map(|(given, field)| given.then_some(field))
}

/// What stands in for a missing `Label`: the state's name without what a label may not hold, at most 40 characters.
fn label_of(name: &str) -> String {
    name.chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, '-' | '_' | '.'))
        .take(40)
        .collect()
}

/// `arn:…:mapRun:<machine>/<label>:<uuid>`.
fn map_run_arn(identity: &Identity, label: &str, random: &Random) -> String {
    let mut bytes = random.bytes16();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    let machine = identity.state_machine_arn.replacen(":stateMachine:", ":mapRun:", 1);
    format!("{machine}/{label}:{uuid}")
}
