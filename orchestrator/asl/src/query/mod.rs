//! Expressions: what a definition computes from data, in either query language.
//!
//! The interpreter asks for values through the types of this module and never looks at the language;
//! [`Template`], [`Expression`] and [`Condition`] know which one they were written in.
//! That is the seam where JSONata joins.

use std::collections::BTreeMap;

use serde_json::Value;

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
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct EvalError {
    /// The ASL error name: `States.Runtime`, `States.IntrinsicFailure`, `States.QueryEvaluationError`, ...
    pub error: &'static str,
    /// What AWS says, without the "An error occurred while executing the state" prefix.
    pub cause: String,
    /// For JSONata: the `location` of the `EvaluationFailed` event.
    pub location: Option<String>,
}

/// A finding of parsing an expression: where inside the field (slash-separated, empty for the field itself) and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `/a/b.$`, relative to the field; empty for the field itself.
    pub location: String,
    /// What AWS says of it.
    pub message: String,
}

/// Random numbers of one turn; the same seed gives the same numbers.
#[derive(Debug)]
pub struct Random(std::cell::RefCell<rand_chacha::ChaCha8Rng>);

impl Random {
    /// Numbers that follow from `seed` alone.
    pub fn new(seed: [u8; 32]) -> Self {
        use rand::SeedableRng as _;
        Self(std::cell::RefCell::new(rand_chacha::ChaCha8Rng::from_seed(seed)))
    }

    /// 16 random bytes.
    pub fn bytes16(&self) -> [u8; 16] {
        use rand::RngCore as _;
        let mut bytes = [0; 16];
        self.0.borrow_mut().fill_bytes(&mut bytes);
        bytes
    }

    /// A uniform number in `[0, 1)`.
    pub fn fraction(&self) -> f64 {
        use rand::Rng as _;
        self.0.borrow_mut().random()
    }
}

/// A JSONPath: `$…`, `$$…` (context object) or `$name…` (variable).
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
}

impl Path {
    /// Reads a path; the error says what is wrong with it.
    pub fn parse(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Selects. `field` is the name of the field for the error message, as AWS writes it.
    pub fn evaluate(&self, _field: &str, _data: &Data<'_>) -> Result<Value, EvalError> {
        unimplemented!()
    }
}

/// A path to one place: what `ResultPath` takes.
#[derive(Clone, Debug)]
pub struct ReferencePath {
    text: String,
}

impl ReferencePath {
    /// Reads a reference path.
    pub fn parse(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `target` with `value` put at this place; objects on the way are made.
    pub fn insert(&self, _target: &Value, _value: Value) -> Result<Value, EvalError> {
        unimplemented!()
    }
}

/// A single expression: a path, an intrinsic function call or a JSONata `{% … %}`.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
}

impl Expression {
    /// A path only (`InputPath`, `…Path` fields).
    pub fn path(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }

    /// A path or an intrinsic call (values of `….$` keys, `ErrorPath`, `CausePath`).
    pub fn path_or_intrinsic(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }

    /// The text between `{%` and `%}`.
    pub fn jsonata(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }

    /// The text it was read from (JSONata: between the delimiters, trimmed).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the variables it refers to.
    pub fn variables(&self) -> std::collections::BTreeSet<String> {
        unimplemented!()
    }

    /// The value. `field` names the field in messages (`Parameters/x.$`; AWS's form of it is made here).
    pub fn evaluate(&self, _field: &str, _data: &Data<'_>) -> Result<Value, EvalError> {
        unimplemented!()
    }
}

/// A payload template (JSONPath) or a JSON value with expressions in its strings (JSONata).
#[derive(Clone, Debug)]
pub struct Template {}

impl Template {
    /// Reads a template; all findings, not just the first.
    pub fn parse(_value: &Value, _language: crate::definition::QueryLanguage) -> Result<Self, Vec<Finding>> {
        unimplemented!()
    }

    /// Names of the variables it refers to.
    pub fn variables(&self) -> std::collections::BTreeSet<String> {
        unimplemented!()
    }

    /// The keys of the top-level object without `.$`: the variables that an `Assign` sets.
    pub fn keys(&self) -> Vec<String> {
        unimplemented!()
    }

    /// The value. `field` is the field's name (`Parameters`, `Output`, ...), from which messages and locations are made.
    pub fn evaluate(&self, _field: &str, _data: &Data<'_>) -> Result<Value, EvalError> {
        unimplemented!()
    }
}

/// The test of a Choice rule: comparators with `And`, `Or`, `Not` (JSONPath) or `Condition` (JSONata).
#[derive(Clone, Debug)]
pub struct Condition {}

impl Condition {
    /// Reads the rule object (without looking at `Next`, `Assign`, `Output`, `Comment`).
    pub fn parse(_rule: &Value, _language: crate::definition::QueryLanguage) -> Result<Self, Vec<Finding>> {
        unimplemented!()
    }

    /// Names of the variables it refers to.
    pub fn variables(&self) -> std::collections::BTreeSet<String> {
        unimplemented!()
    }

    /// Whether the rule matches. `rule` is its index, for the location of a JSONata failure.
    pub fn test(&self, _rule: usize, _data: &Data<'_>) -> Result<bool, EvalError> {
        unimplemented!()
    }
}
