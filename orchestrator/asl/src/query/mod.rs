//! Expressions: what a definition computes from data, in either query language.
//!
//! The interpreter asks for values through the types of this module and never looks at the language;
//! [`Template`], [`Expression`] and [`Condition`] know which one they were written in.

mod condition;
mod expression;
mod intrinsic;
mod java_text;
mod jsonata;
mod number;
mod path;
mod random;
mod reference_path;
mod template;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::time::Timestamp;
pub use condition::Condition;
pub use expression::Expression;
pub use jsonata::delimited as jsonata_text;
pub use path::Path;
pub use random::Random;
pub use reference_path::ReferencePath;
pub use template::Template;

/// The variables of one scope.
pub type VariableMap = BTreeMap<String, Value>;

/// What an expression may refer to.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// `$` of JSONPath: the value the field is evaluated on.
    pub input: &'a Value,
    /// `$$`: the context object.
    pub context: &'a Value,
    /// The variables in sight, innermost scope first.
    pub variables: &'a [&'a VariableMap],
    /// `$states` of JSONata; `null` where the language is JSONPath.
    pub states: &'a Value,
    /// Randomness for `States.UUID` and `States.MathRandom`.
    pub random: &'a Random,
    /// `$now()` and `$millis()` of JSONata: the time of the turn.
    pub now: Timestamp,
}

impl<'a> Data<'a> {
    /// The value of a variable in the innermost scope that has it.
    pub fn variable(&self, name: &str) -> Option<&'a Value> {
        self.variables.iter().find_map(|scope| scope.get(name))
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct EvalError {
    /// The ASL error name: `States.Runtime`, `States.QueryEvaluationError`, `States.ResultPathMatchFailure`.
    pub error: &'static str,
    /// What AWS says, without the "An error occurred while executing the state" prefix.
    pub cause: String,
    /// For JSONata: the `location` of the `EvaluationFailed` event.
    pub location: Option<String>,
}

impl EvalError {
    fn runtime(cause: String) -> Self {
        Self { error: "States.Runtime", cause, location: None }
    }
}

/// A finding of parsing an expression: where inside the field and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `/a/b[0]`, relative to the field; empty for the field itself.
    pub location: String,
    /// What AWS says of it, where that is known.
    pub message: String,
}
