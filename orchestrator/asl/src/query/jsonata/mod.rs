//! JSONata, the second language, behind [`Program`].
//!
//! The engine is `jsonata-core`, which agrees with the reference implementation of the version that AWS runs but for
//! its newer syntax. Time and randomness come from the turn; the engine's own clock only cuts runaway expressions.

mod function;
mod scan;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::{Data, EvalError};

/// Time one expression may take, in milliseconds. Source: Step Functions developer guide, "Transforming data with
/// JSONata".
const EVALUATION_MILLIS_MAX: u64 = 1_000;

/// How deep an evaluation may nest: the service stops an expression at depth 101.
const DEPTH_MAX: usize = 100;

/// Items one sequence may have: what fits into the memory that the service gives an expression.
const SEQUENCE_ITEMS_MAX: usize = 873_782;

/// A JSONata expression that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    ast: AstNode,
    /// `$states.input.a.b` and `$name`: looked up without the engine, so that large integers and `1.0` stay as they are.
    lookup: Option<Vec<String>>,
    scan: scan::Scan,
}

/// The text between `{%` and `%}`, trimmed; `None` if `text` is an ordinary string.
///
/// The error says that only one of the two delimiters is there.
pub fn delimited(text: &str) -> Result<Option<&str>, String> {
    let inner = text.strip_prefix("{%");
    let is_closed = text.len() >= 4 && text.ends_with("%}");
    match inner {
        Some(inner) if is_closed => Ok(Some(inner[..inner.len() - 2].trim())),
        Some(_) => Err("The JSONata expression is not closed with '%}'".to_owned()),
        None if is_closed => Err("The JSONata expression does not begin with '{%'".to_owned()),
        None => Ok(None),
    }
}

impl Program {
    /// Reads an expression; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut ast =
            jsonata_core::parser::parse(text).map_err(|error| format!("Invalid JSONata expression: {error}"))?;
        let scan = scan::scan(&mut ast).map_err(|why| format!("Unsupported JSONata expression: {why}"))?;
        Ok(Self { lookup: scan::lookup(&ast), scan, ast })
    }

    /// Names of the variables it takes from outside.
    pub(crate) fn variables(&self) -> &BTreeSet<String> {
        &self.scan.variables
    }

    /// Names of the fields of `$states` that it uses.
    pub(crate) fn states_fields(&self) -> &BTreeSet<String> {
        &self.scan.states_fields
    }

    /// The value. `text` and `field` are for the message.
    pub(crate) fn evaluate(&self, text: &str, field: &str, data: &Data<'_>) -> Result<Value, EvalError> {
        let value = match self.lookup.as_deref().and_then(|steps| look_up(steps, data)) {
            Some(found) => found.map(Ok),
            None => {
                let result = self.run(data).map_err(|error| {
                    failure(text, field, &format!("threw an error during evaluation. {}", message(&error)))
                })?;
                value::from_engine(&result).transpose()
            }
        };
        match value {
            Some(Ok(value)) => Ok(value),
            Some(Err(value::Unsupported)) => Err(failure(text, field, "returned an unsupported result type.")),
            None => Err(failure(text, field, "returned nothing (undefined).")),
        }
    }

    fn run(&self, data: &Data<'_>) -> Result<JValue, EvaluatorError> {
        let mut context = Context::new();
        for name in &self.scan.variables {
            if let Some(value) = data.variable(name) {
                context.bind(name.clone(), JValue::from(value.clone()));
            }
        }
        if let Some(states) = self.states(data) {
            context.bind("states".to_owned(), states);
        }
        let options = EvaluatorOptions {
            timeout_ms: Some(EVALUATION_MILLIS_MAX),
            max_stack_depth: Some(DEPTH_MAX),
            max_sequence_length: Some(SEQUENCE_ITEMS_MAX),
            ..EvaluatorOptions::default()
        };
        let mut evaluator = Evaluator::with_options(context, options);
        function::register(&mut evaluator, data)?;
        // `$` and `$$` are bound to nothing.
        evaluator.evaluate(&self.ast, &JValue::Undefined)
    }

    /// `$states` with the fields that the expression uses: a large input is not copied for nothing.
    fn states(&self, data: &Data<'_>) -> Option<JValue> {
        if self.scan.uses_whole_states {
            return Some(JValue::from(data.states.clone()));
        }
        let fields = self.scan.states_fields.iter();
        let used: IndexMap<String, JValue> =
            fields.filter_map(|name| Some((name.clone(), JValue::from(data.states.get(name)?.clone())))).collect();
        (!self.scan.states_fields.is_empty()).then(|| JValue::object(used))
    }
}

/// Follows names from a variable. `None` if an array is on the way, which the engine must map over; the inner option
/// is `None` where there is nothing.
fn look_up(steps: &[String], data: &Data<'_>) -> Option<Option<Value>> {
    let (name, rest) = steps.split_first()?;
    let mut value = match name.as_str() {
        "states" => Some(data.states),
        // Without a value, `$sum` may still be the engine's function.
        name => Some(data.variable(name)?),
    };
    for name in rest {
        match value {
            Some(Value::Object(members)) => value = members.get(name),
            Some(Value::Array(_)) => return None,
            _ => value = None,
        }
    }
    Some(value.cloned())
}

/// The engine's message; for the limits the words of the service.
fn message(error: &EvaluatorError) -> String {
    match error.code() {
        Some("D1011" | "U1001") => "Stack overflow error".to_owned(),
        Some("D1012") => "Expression evaluation timeout".to_owned(),
        Some("D2015" | "D2014") => "Expression evaluation memory limit exceeded".to_owned(),
        // Recorded without the name of the function.
        Some("T1006") => "T1006: Attempted to invoke a non-function".to_owned(),
        _ => error.message().to_owned(),
    }
}

pub(super) fn failure(text: &str, field: &str, what: &str) -> EvalError {
    EvalError {
        error: "States.QueryEvaluationError",
        cause: format!("The JSONata expression '{text}' specified for the field '{field}' {what}"),
        location: Some(field.to_owned()),
    }
}

/// The name of a value's type as the service's messages have it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
