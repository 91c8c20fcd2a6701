//! `States.StringToJson`, `States.JsonToString`, `States.JsonMerge`.

use serde_json::Value;

use super::{Outcome, string};

/// `States.StringToJson`: a blank text is null (recorded).
pub(super) fn parse(arguments: &[Value]) -> Outcome {
    let text = string(&arguments[0])?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|_| "the string is not valid JSON")
}

/// `States.JsonToString`: without blanks, keys in their order.
pub(super) fn print(arguments: &[Value]) -> Outcome {
    Ok(Value::String(arguments[0].to_string()))
}

/// `States.JsonMerge`: the members of the second object win; only shallow merging is supported.
pub(super) fn merge(arguments: &[Value]) -> Outcome {
    let [Value::Object(first), Value::Object(second), deep] = arguments else {
        return Err("two objects and a boolean are expected");
    };
    match deep {
        Value::Bool(false) => {
            let mut merged = first.clone();
            merged.extend(second.iter().map(|(name, value)| (name.clone(), value.clone())));
            Ok(Value::Object(merged))
        }
        Value::Bool(true) => Err("deep merging is not supported, the third argument must be false"),
        _ => Err("the third argument must be a boolean"),
    }
}
