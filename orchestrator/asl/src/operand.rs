//! Fields that are a literal, a path or an expression: numbers and texts.

use serde_json::Value;

use crate::data_flow::Evaluation;
use crate::definition::Operand;
use crate::fault::Fault;
use crate::query::Expression;

impl Evaluation<'_> {
    /// A whole number of at least `least`: a literal, the value a path leads to, or that of an expression.
    ///
    /// A text that reads as a number is taken for one, as AWS does.
    pub fn whole_number(&self, operand: &Operand<u64>, field: &str, input: &Value, least: u64) -> Result<u64, Fault> {
        let number = |value: &Value| whole(value).and_then(|number| u64::try_from(number).ok()).filter(|n| *n >= least);
        match operand {
            Operand::Literal(number) => Ok(*number),
            Operand::Path(path) => {
                let value = self.expression(path, &format!("{field}Path"), input)?;
                number(&value).ok_or_else(|| self.not_a(field, &value, "integer", path))
            }
            Operand::Jsonata(expression) => {
                let value = self.expression(expression, field, input)?;
                number(&value).ok_or_else(|| self.unexpected_type(expression, field, "integer", &value))
            }
        }
    }

    /// A whole number of either sign.
    pub fn signed_number(&self, operand: &Operand<i64>, field: &str, input: &Value) -> Result<i64, Fault> {
        match operand {
            Operand::Literal(number) => Ok(*number),
            Operand::Path(path) => {
                let value = self.expression(path, &format!("{field}Path"), input)?;
                whole(&value).ok_or_else(|| self.not_a(field, &value, "integer", path))
            }
            Operand::Jsonata(expression) => {
                let value = self.expression(expression, field, input)?;
                whole(&value).ok_or_else(|| self.unexpected_type(expression, field, "integer", &value))
            }
        }
    }

    /// Any number.
    pub fn number(&self, operand: &Operand<f64>, field: &str, input: &Value) -> Result<f64, Fault> {
        let number = |value: &Value| match value {
            Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            other => other.as_f64(),
        };
        match operand {
            Operand::Literal(number) => Ok(*number),
            Operand::Path(path) => {
                let value = self.expression(path, &format!("{field}Path"), input)?;
                number(&value).ok_or_else(|| self.not_a(field, &value, "float", path))
            }
            Operand::Jsonata(expression) => {
                let value = self.expression(expression, field, input)?;
                value.as_f64().ok_or_else(|| self.unexpected_type(expression, field, "number", &value))
            }
        }
    }

    /// A text.
    pub fn text(&self, operand: &Operand<String>, field: &str, input: &Value) -> Result<String, Fault> {
        let (value, expression) = match operand {
            Operand::Literal(text) => return Ok(text.clone()),
            Operand::Path(path) => (self.expression(path, &format!("{field}Path"), input)?, path),
            Operand::Jsonata(expression) => (self.expression(expression, field, input)?, expression),
        };
        match value {
            Value::String(text) => Ok(text),
            other if self.is_jsonata() => Err(self.unexpected_type(expression, field, "string", &other)),
            other => Err(self.not_a(field, &other, "string", expression)),
        }
    }

    fn not_a(&self, field: &str, value: &Value, kind: &str, path: &Expression) -> Fault {
        let (shown, path) = (bare(value), path.text());
        self.runtime(format!("The {field}Path field refers to value \"{shown}\" which is not a valid {kind}: {path}"))
    }
}

/// A value as messages show it: texts without quotes.
pub(crate) fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The whole number that a value is or reads as.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64))
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
