//! How Java writes a value: what AWS shows where it puts one into a text.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// `String.valueOf`: texts bare, objects as `{a=1, b=[x, y]}`.
///
/// Seen in the recording of `States.Format` with an object as argument.
pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(value) => text.push_str(value),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                text.push_str(name);
                text.push('=');
                write(member, text);
            }
            text.push('}');
        }
    }
}

/// `Integer.toString`, `Double.toString`: floats outside of 10^-3 to 10^7 with an exponent.
fn number_text(number: &Number) -> String {
    let float = match number.as_f64() {
        Some(float) if number.is_f64() => float,
        _ => return number.to_string(),
    };
    let magnitude = float.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{float:?}");
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mut text = digits.to_owned();
    if !digits.contains('.') {
        text.push_str(".0");
    }
    let _ = write!(text, "E{exponent}");
    text
}

/// The class of a value as Jackson reads it.
pub(crate) fn class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "java.lang.Boolean",
        Value::Number(number) if number.is_f64() => "java.lang.Double",
        Value::Number(number) if number.as_i64().is_some_and(|integer| i32::try_from(integer).is_ok()) => {
            "java.lang.Integer"
        }
        Value::Number(_) => "java.lang.Long",
        Value::String(_) => "java.lang.String",
        Value::Array(_) => "java.util.ArrayList",
        Value::Object(_) => "java.util.LinkedHashMap",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_javas() {
        for (value, expected) in [
            (json!(null), "null"),
            (json!(1), "1"),
            (json!(1.0), "1.0"),
            (json!(1.1), "1.1"),
            (json!(12345678.5), "1.23456785E7"),
            (json!(1e10), "1.0E10"),
            (json!(0.0001), "1.0E-4"),
            (json!("a"), "a"),
            (json!({"Arg1": 1, "Arg2": []}), "{Arg1=1, Arg2=[]}"),
            (json!(["a", {"b": null}, true]), "[a, {b=null}, true]"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }
}
