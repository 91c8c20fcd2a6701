//! Text → JSON, with the position of a syntax error and with keys that appear twice, which plain JSON readers drop
//! in silence.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::reader::SCHEMA;
use crate::definition::{Diagnostic, Severity};

/// The longest definition. Source: `Definition` in the Step Functions API, 1 MiB.
pub const DEFINITION_SIZE_BYTES_MAX: usize = 1_048_576;

/// How much of a text AWS repeats in the location of a syntax error (Jackson's default).
const SNIPPET_LENGTH_MAX: usize = 500;

/// A key that its object holds more than once; the last value counts.
pub(in crate::definition) struct Duplicate {
    /// The location of the object.
    pub parent: String,
    pub key: String,
}

/// Reads the text of a definition.
pub(in crate::definition) fn read(text: &str) -> Result<(Value, Vec<Duplicate>), Diagnostic> {
    let refuse = |code, message: String, location| Diagnostic { severity: Severity::Error, code, message, location };
    if text.len() > DEFINITION_SIZE_BYTES_MAX {
        let message =
            format!("Definition is {} bytes long; at most {DEFINITION_SIZE_BYTES_MAX} are allowed", text.len());
        return Err(refuse(SCHEMA, message, None));
    }
    if text.trim().is_empty() {
        return Err(refuse(SCHEMA, "Definition must be a valid JSON object".to_owned(), None));
    }
    let duplicates = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Node { location: String::new(), duplicates: &duplicates }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match read {
        Ok(value) if value.is_object() => Ok((value, duplicates.into_inner())),
        Ok(_) => Err(refuse(SCHEMA, "Definition must be a valid JSON object".to_owned(), None)),
        Err(error) if error.to_string().starts_with("recursion limit exceeded") => {
            let message = "The definition is nested too deeply; at most 127 levels are allowed".to_owned();
            Err(refuse("TOO_DEEPLY_NESTED", message, Some(source(text, error.line(), error.column()))))
        }
        Err(error) => {
            let (message, line, column) = describe(text, &error);
            Err(refuse("INVALID_JSON_DESCRIPTION", message, Some(source(text, line, column))))
        }
    }
}

/// Message and position of a syntax error. A bare word is named as AWS names it, which points behind the word
/// (recorded: `not a definition` at column 4).
fn describe(text: &str, error: &serde_json::Error) -> (String, usize, usize) {
    let full = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = full.strip_suffix(&position).unwrap_or(&full).to_owned();
    let line_start = line_start(text, error.line());
    let Some((start, end)) = word_at(text, line_start + error.column().saturating_sub(1)) else {
        // The reader counts bytes, people count characters.
        let before = &text.as_bytes()[line_start..(line_start + error.column()).min(text.len())];
        return (message, error.line(), String::from_utf8_lossy(before).chars().count());
    };
    let word = &text[start..end];
    let column = text[line_start..end].chars().count() + 1;
    let message = format!(
        "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
    );
    (message, error.line(), column)
}

/// Where a line starts; lines count from 1.
fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum()
}

/// The bounds of the bare word around a byte of the text, unless it is one that JSON knows.
fn word_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    if !bytes.get(at).copied().is_some_and(part) {
        return None;
    }
    let start = bytes[..at].iter().rposition(|byte| !part(*byte)).map_or(0, |before| before + 1);
    let end = bytes[at..].iter().position(|byte| !part(*byte)).map_or(bytes.len(), |length| at + length);
    let word = text.get(start..end)?;
    let is_word =
        word.starts_with(|first: char| first.is_ascii_alphabetic()) && !["true", "false", "null"].contains(&word);
    is_word.then_some((start, end))
}

/// A position as AWS (Jackson) writes it: `[Source: (String)"..."; line: 1, column: 4]`.
fn source(text: &str, line: usize, column: usize) -> String {
    let length = text.chars().count();
    let snippet: String = text.chars().take(SNIPPET_LENGTH_MAX).collect();
    let rest = match length.saturating_sub(SNIPPET_LENGTH_MAX) {
        0 => String::new(),
        rest => format!("[truncated {rest} chars]"),
    };
    format!("[Source: (String)\"{snippet}\"{rest}; line: {line}, column: {column}]")
}

/// Builds a [`Value`] and notes duplicate keys on the way.
struct Node<'d> {
    location: String,
    duplicates: &'d RefCell<Vec<Duplicate>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            let location = format!("{}[{}]", self.location, array.len());
            match items.next_element_seed(Node { location, duplicates: self.duplicates })? {
                Some(item) => array.push(item),
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let location = format!("{}/{key}", self.location);
            let value = entries.next_value_seed(Node { location, duplicates: self.duplicates })?;
            if object.contains_key(&key) {
                let parent = self.location.clone();
                self.duplicates.borrow_mut().push(Duplicate { parent, key: key.clone() });
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
