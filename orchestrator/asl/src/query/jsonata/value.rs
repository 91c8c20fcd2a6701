//! Values of the engine to JSON.

use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

/// A function or a regular expression, or a value nested deeper than anything else accepts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsupported;

/// How deep a result may nest; JSON readers refuse more than 128 levels.
const DEPTH_MAX: usize = 128;

/// Integers beyond this are not exact in the engine's doubles.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The JSON value; `None` for undefined.
pub(super) fn from_engine(value: &JValue) -> Result<Option<Value>, Unsupported> {
    convert(value, DEPTH_MAX)
}

fn convert(value: &JValue, depth: usize) -> Result<Option<Value>, Unsupported> {
    let below = || depth.checked_sub(1).ok_or(Unsupported);
    Ok(Some(match value {
        JValue::Undefined => return Ok(None),
        JValue::Null => Value::Null,
        JValue::Bool(value) => Value::Bool(*value),
        JValue::Number(number) => from_double(*number),
        JValue::String(text) => Value::String(text.to_string()),
        JValue::Array(items) => {
            let depth = below()?;
            let items = items.iter().filter_map(|item| convert(item, depth).transpose());
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        JValue::Object(members) => {
            let depth = below()?;
            let mut object = Map::with_capacity(members.len());
            for (name, member) in members.iter() {
                if let Some(member) = convert(member, depth)? {
                    object.insert(name.clone(), member);
                }
            }
            Value::Object(object)
        }
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => return Err(Unsupported),
    }))
}

/// Whole numbers become integers. JSON has no other numbers than finite ones; the service writes them as texts.
fn from_double(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        return Value::from(number as i64);
    }
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => Value::from("NaN"),
        None if number > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}
