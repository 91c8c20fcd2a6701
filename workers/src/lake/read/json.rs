//! JSON Lines into rows.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Kind;
use super::cell::Cell;
use super::rows::{Rows, Target};

/// Appends every line of a piece. Blank lines are no rows; a line that is not one JSON object is a corrupt row that
/// keeps the fields before the fault.
pub(super) fn parse(rows: &mut Rows, piece: &[u8]) {
    for line in piece.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let read = RowSeed { rows }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if read.is_err() {
            rows.mark_corrupt();
        }
        rows.end_row(|| String::from_utf8_lossy(line).into_owned());
    }
}

struct RowSeed<'r> {
    rows: &'r mut Rows,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(target) = map.next_key_seed(TargetSeed { rows: self.rows })? {
            let raw: &RawValue = map.next_value()?;
            match target {
                Target::Declared(column) => set_declared(self.rows, column, raw.get()).map_err(A::Error::custom)?,
                Target::Ignored => {}
                Target::Corrupt if raw.get() == "null" => {}
                Target::Corrupt => self.rows.mark_corrupt(),
                Target::Unknown(name) => match cell(raw.get()).map_err(A::Error::custom)? {
                    Some(cell) => self.rows.set_unknown(&name, cell),
                    None => self.rows.see(&name),
                },
            }
        }
        Ok(())
    }
}

/// Finds where a key's value goes without copying keys of declared columns.
struct TargetSeed<'r> {
    rows: &'r Rows,
}

impl<'de> DeserializeSeed<'de> for TargetSeed<'_> {
    type Value = Target;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Target, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for TargetSeed<'_> {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<Target, E> {
        Ok(self.rows.settings.target(name))
    }
}

fn set_declared(rows: &mut Rows, column: usize, raw: &str) -> Result<(), serde_json::Error> {
    let kind = rows.settings.declared[column].kind;
    match raw.as_bytes().first() {
        Some(b'"') => rows.set_text(column, &string(raw)?),
        Some(b'n') => rows.set_text(column, ""),
        // A bare number is a number, or text where text is wanted; an instant is text.
        Some(b'-' | b'0'..=b'9') if kind != Kind::Instant => rows.set_text(column, raw),
        _ => {
            rows.set_text(column, "");
            rows.mark_corrupt();
        }
    }
    Ok(())
}

fn cell(raw: &str) -> Result<Option<Cell>, serde_json::Error> {
    Ok(match raw.as_bytes().first() {
        Some(b'n') => None,
        Some(b'"') => Some(Cell::Text(string(raw)?.as_ref().into())),
        Some(b'{' | b'[') => Some(Cell::Text(raw.into())),
        _ => Some(Cell::Plain(raw.into())),
    })
}

/// The value of a JSON string; borrowed when nothing in it is escaped.
fn string(raw: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    let inner = &raw[1..raw.len() - 1];
    if inner.contains('\\') { serde_json::from_str::<String>(raw).map(Cow::Owned) } else { Ok(Cow::Borrowed(inner)) }
}
