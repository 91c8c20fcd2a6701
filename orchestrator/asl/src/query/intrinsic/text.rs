//! `States.Format`, `States.StringSplit`.

use serde_json::Value;

use super::{Outcome, string};
use crate::query::java_text;

/// A text in quotes as an argument.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The text without its escapes.
    pub(super) value: String,
    /// Where a `{}` stands that was not escaped; `None` if a `{` has no `}`.
    pub(super) holes: Option<Vec<usize>>,
}

impl Text {
    /// A text that came from data: nothing in it is escaped.
    fn from_data(value: &str) -> Self {
        let holes: Vec<usize> = value.match_indices("{}").map(|(at, _)| at).collect();
        let matched = value.matches('{').count() == holes.len();
        Self { value: value.to_owned(), holes: matched.then_some(holes) }
    }
}

/// `States.Format` with a template from data.
pub(super) fn format_template(arguments: &[Value]) -> Outcome {
    format(&Text::from_data(string(&arguments[0])?), &arguments[1..])
}

/// `States.Format`: each `{}` gives way to the next value; objects and arrays as Java writes them (recorded).
pub(super) fn format(template: &Text, values: &[Value]) -> Outcome {
    let holes = template.holes.as_ref().ok_or("matching '}' not found for '{'.")?;
    if holes.len() != values.len() {
        return Err("number of arguments do not match the occurrences of {}.");
    }
    let mut text = String::new();
    let mut done = 0;
    for (hole, value) in holes.iter().zip(values) {
        text.push_str(&template.value[done..*hole]);
        text.push_str(&java_text::text(value));
        done = hole + "{}".len();
    }
    text.push_str(&template.value[done..]);
    Ok(Value::String(text))
}

/// `States.StringSplit`: every character of the second argument separates; empty pieces are dropped (recorded).
pub(super) fn split(arguments: &[Value]) -> Outcome {
    let (text, separators) = (string(&arguments[0])?, string(&arguments[1])?);
    let pieces = text.split(|c| separators.contains(c)).filter(|piece| !piece.is_empty());
    Ok(Value::Array(pieces.map(|piece| Value::String(piece.to_owned())).collect()))
}
