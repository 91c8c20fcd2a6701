//! Fail: ends its scope with an error.

use crate::decide::{Deciding, Step};
use crate::definition::Fail;
use crate::execution::{Failure, FrameId};
use crate::fault::Fault;

pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId, fail: &Fail) -> Step {
    let input = deciding.open(frame)?.input.clone();
    let failure = {
        let evaluation = deciding.evaluation(frame)?;
        let text = |operand: &Option<_>, field| {
            operand.as_ref().map(|operand| evaluation.text(operand, field, &input)).transpose()
        };
        Failure { error: text(&fail.error, "Error")?, cause: text(&fail.cause, "Cause")? }
    };
    Err(Fault::named(failure).into())
}
