//! Succeed: ends its scope.

use crate::decide::{Deciding, Step};
use crate::execution::FrameId;
use crate::step;

pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId) -> Step {
    let state = deciding.state(frame)?;
    let output = {
        let evaluation = deciding.evaluation(frame)?;
        let filtered = evaluation.filtered_input()?;
        evaluation.output_of_input(&filtered, state.data.output.as_ref())?
    };
    step::exit(deciding, frame, output, None, None)
}
