//! What callers asked for and were answered, held against what the histories say.

use std::collections::{BTreeMap, BTreeSet};

use asl::Event;
use asl::execution::EventKind;
use orchestrator::store::ExecutionId;
use serde_json::Value;

/// How the answers to one message went; a message may be sent many times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    pub accepted: u32,
    pub refused: u32,
    /// No answer, or a fault: may have happened or not.
    pub unknown: u32,
}

/// Every message carries a number that the history shows if, and only if, it counted.
#[derive(Debug, Default)]
pub struct Messages {
    answers: BTreeMap<u64, Answers>,
    /// Which execution a message was for, as far as that is known.
    about: BTreeMap<u64, ExecutionId>,
    /// Executions that ended because their history was full: there an accepted report may have found no room.
    full: BTreeSet<ExecutionId>,
    happened: BTreeMap<u64, u32>,
    /// Starts, by name: which numbers were accepted.
    starts: BTreeMap<String, Vec<u64>>,
    next: u64,
}

impl Messages {
    /// The number of a new message, to this execution if there is one yet.
    pub fn number(&mut self, execution: Option<ExecutionId>) -> u64 {
        self.next += 1;
        self.answers.insert(self.next, Answers::default());
        self.about.extend(execution.map(|execution| (self.next, execution)));
        self.next
    }

    /// The text that carries the number.
    pub fn mark(number: u64) -> String {
        format!("message-{number}")
    }

    pub fn accepted(&mut self, number: u64) {
        self.answers.entry(number).or_default().accepted += 1;
    }

    pub fn refused(&mut self, number: u64) {
        self.answers.entry(number).or_default().refused += 1;
    }

    pub fn unknown(&mut self, number: u64) {
        self.answers.entry(number).or_default().unknown += 1;
    }

    /// A start of this name with this number was accepted.
    pub fn started(&mut self, name: &str, number: u64) {
        self.accepted(number);
        self.starts.entry(name.to_owned()).or_default().push(number);
    }

    /// An event was committed.
    pub fn happened(&mut self, execution: ExecutionId, event: &Event) -> Result<(), String> {
        let mark = match &event.kind {
            EventKind::ExecutionStarted { input, .. } => find(&input["message"]),
            EventKind::TaskSucceeded { output, .. } => find(&output["message"]),
            EventKind::TaskFailed { failure, .. }
            | EventKind::TaskTimedOut { failure, .. }
            | EventKind::ExecutionAborted { failure } => failure.cause.as_deref().and_then(find_text),
            EventKind::ExecutionFailed { failure } => {
                let cause = failure.cause.as_deref().unwrap_or_default();
                if cause.contains("maximum number of history events") {
                    self.full.insert(execution);
                }
                None
            }
            _ => None,
        };
        let Some(number) = mark else { return Ok(()) };
        let times = self.happened.entry(number).or_default();
        *times += 1;
        if *times > 1 {
            return Err(format!("{} happened {times} times (last in {execution})", Self::mark(number)));
        }
        Ok(())
    }

    /// Accepted messages happened, refused ones did not, and no name was given twice.
    pub fn check(&self) -> Result<(), String> {
        for (number, answers) in &self.answers {
            let happened = self.happened.contains_key(number);
            let full = self.about.get(number).is_some_and(|execution| self.full.contains(execution));
            if answers.accepted > 0 && !happened && !full {
                return Err(format!("{} was accepted and never happened: {answers:?}", Self::mark(*number)));
            }
            if happened && answers.accepted == 0 && answers.unknown == 0 {
                return Err(format!("{} was refused and happened all the same: {answers:?}", Self::mark(*number)));
            }
        }
        for (name, numbers) in &self.starts {
            if numbers.iter().any(|number| *number != numbers[0]) {
                return Err(format!("executions of one name `{name}` were started with different inputs: {numbers:?}"));
            }
        }
        Ok(())
    }
}

fn find(value: &Value) -> Option<u64> {
    value.as_str().and_then(find_text)
}

/// The number in a text that may stand around it.
fn find_text(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("message-")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
