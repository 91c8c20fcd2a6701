//! The Wait state.

use std::sync::LazyLock;

use chrono::DateTime;
use regex::Regex;
use serde_json::Value;

use super::SECONDS_MAX;
use super::reader::Reader;
use crate::definition::{Operand, StateKind, Wait};

const FIELDS: [&str; 4] = ["Seconds", "Timestamp", "SecondsPath", "TimestampPath"];

/// RFC 3339 with the further rule of the States language: upper-case `T` and `Z`.
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$").expect("the pattern is constant")
});

impl<'v> Reader<'v> {
    /// The fields that only a Wait has: exactly one of four.
    pub(super) fn wait(&mut self) -> StateKind {
        let present = FIELDS.iter().filter(|field| self.has(field)).count();
        if present != 1 {
            self.error(format!("Exactly one of these fields is required: [{}]", FIELDS.join(", ")));
        }
        // The finding above speaks for all four fields; each is still read for what else is wrong with it.
        let seconds = self.wait_operand("Seconds", "SecondsPath", |reader, value| {
            reader.as_integer("Seconds", value, 0..=SECONDS_MAX)
        });
        let timestamp = self.wait_operand("Timestamp", "TimestampPath", Self::timestamp);
        let wait = match (seconds, timestamp) {
            (Some(seconds), _) => Wait::Seconds(seconds),
            (None, Some(timestamp)) => Wait::Timestamp(timestamp),
            (None, None) => Wait::Seconds(Operand::Literal(0)),
        };
        StateKind::Wait(wait)
    }

    fn wait_operand<T>(
        &mut self,
        field: &'static str,
        path_field: &'static str,
        literal: impl FnOnce(&Self, &'v Value) -> Option<T>,
    ) -> Option<Operand<T>> {
        let path = self.path(path_field).map(Operand::Path);
        let Some(value) = self.value(field) else { return path };
        match self.jsonata(field, value) {
            Ok(Some(expression)) => Some(Operand::Jsonata(expression)),
            Ok(None) => literal(self, value).map(Operand::Literal).or(path),
            Err(()) => None,
        }
    }

    fn timestamp(&self, value: &'v Value) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.field_error("Timestamp", "Expected value of type [STRING]");
            return None;
        };
        if !TIMESTAMP.is_match(text) || DateTime::parse_from_rfc3339(text).is_err() {
            self.field_error("Timestamp", "String does not match RFC3339 timestamp");
            return None;
        }
        Some(text.to_owned())
    }
}
