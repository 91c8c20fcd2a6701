//! `apply` in a loop: what recovery runs is what ran live.

use crate::apply::{apply, begin};
use crate::definition::StateMachine;
use crate::execution::{DecideError, Event, Execution};

/// The execution its events make, from the first one on.
///
/// Fails if the events contradict each other or the definition, or if there are none.
pub fn replay(machine: &StateMachine, events: &[Event]) -> Result<Execution, DecideError> {
    let Some((first, rest)) = events.split_first() else {
        return Err(DecideError::Corrupt {
            execution: String::new(),
            event: 0,
            reason: "there are no events".to_owned(),
        });
    };
    replay_onto(machine, begin(machine, first)?, rest)
}

/// The execution that `snapshot` and the events after it make.
pub fn replay_onto(machine: &StateMachine, snapshot: Execution, events: &[Event]) -> Result<Execution, DecideError> {
    let mut execution = snapshot;
    for event in events {
        apply(&mut execution, machine, event)?;
    }
    Ok(execution)
}
