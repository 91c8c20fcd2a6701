//! Pass: its input, or `Result`, becomes its output.

use std::sync::Arc;

use serde_json::Value;

use crate::data_flow::Extras;
use crate::decide::{Deciding, Step};
use crate::execution::FrameId;
use crate::step;

pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId, result: Option<&Value>) -> Step {
    let state = deciding.state(frame)?;
    let (output, assigned) = {
        let evaluation = deciding.evaluation(frame)?;
        let filtered = evaluation.filtered_input()?;
        let result = if evaluation.is_jsonata() {
            filtered.clone()
        } else {
            let effective = evaluation.arguments(&filtered)?;
            result.map_or(effective, |result| Arc::new(result.clone()))
        };
        let output = if evaluation.is_jsonata() {
            evaluation.jsonata_output(state.data.output.as_ref(), &result, Extras::default())?
        } else {
            evaluation.placed_output(&result)?
        };
        (output, evaluation.assigned(state.assign.as_ref(), &result, Extras::default())?)
    };
    let next = step::next_of(deciding, frame)?;
    step::exit(deciding, frame, output, assigned, next)
}
