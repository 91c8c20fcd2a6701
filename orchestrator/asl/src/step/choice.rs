//! Choice: the first rule that matches says what comes next.

use crate::data_flow::Extras;
use crate::decide::{Deciding, Step};
use crate::definition::{Choice, Rule};
use crate::execution::{Failure, FrameId};
use crate::fault::{Fault, prefix};
use crate::step;

pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId, choice: &Choice) -> Step {
    let state = deciding.state(frame)?;
    let (output, assigned, next) = {
        let evaluation = deciding.evaluation(frame)?;
        let filtered = evaluation.filtered_input()?;
        let mut chosen: Option<&Rule> = None;
        for (index, rule) in choice.rules.iter().enumerate() {
            if evaluation.with_data(&filtered, Extras::default(), |data| rule.condition.test(index, data))? {
                chosen = Some(rule);
                break;
            }
        }
        let (next, assign, output) = match (chosen, &choice.default) {
            (Some(rule), _) => (&rule.next, rule.assign.as_ref(), rule.output.as_ref()),
            (None, Some(default)) => (default, state.assign.as_ref(), state.data.output.as_ref()),
            (None, None) => {
                let cause = "Failed to transition out of the state. The state does not point to a next state.";
                let cause = format!("{}{cause}", prefix(deciding.open(frame)?));
                return Err(Fault::named(Failure::new("States.NoChoiceMatched", cause)).into());
            }
        };
        let output = evaluation.output_of_input(&filtered, output)?;
        (output, evaluation.assigned(assign, &filtered, Extras::default())?, next.clone())
    };
    step::exit(deciding, frame, output, assigned, Some(next))
}
