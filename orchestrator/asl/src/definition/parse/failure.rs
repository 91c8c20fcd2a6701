//! `Retry` and `Catch`.

use super::SECONDS_MAX;
use super::reader::Reader;
use crate::definition::QueryLanguage::Jsonata;
use crate::definition::{Catcher, Jitter, Retrier};

/// The longest `MaxDelaySeconds`: a leap year. Source: AWS, "Handling errors in Step Functions workflows".
const DELAY_MAX_SECONDS_MAX: u64 = 31_622_400;

const ALL: &str = "States.ALL";

impl Reader<'_> {
    /// `Retry`, in order.
    pub(super) fn retry(&mut self) -> Vec<Retrier> {
        if !self.has("Retry") || self.is_empty_list("Retry") {
            return Vec::new();
        }
        let readers = self.objects("Retry");
        let last = readers.len().saturating_sub(1);
        readers.into_iter().enumerate().map(|(index, reader)| reader.retrier(index == last)).collect()
    }

    fn retrier(mut self, last: bool) -> Retrier {
        let error_equals = self.error_equals(last);
        let interval_seconds = self.integer("IntervalSeconds", 1..=SECONDS_MAX).unwrap_or(1);
        let attempts_max = self.integer("MaxAttempts", 0..=SECONDS_MAX).unwrap_or(3);
        let rate = self.value("BackoffRate").and_then(|value| self.as_number("BackoffRate", value, 1.0..=f64::MAX));
        let delay_max_seconds = self.integer("MaxDelaySeconds", 1..=DELAY_MAX_SECONDS_MAX);
        if delay_max_seconds.is_some_and(|seconds| seconds <= interval_seconds) {
            let message = format!("MaxDelaySeconds must be greater than IntervalSeconds ({interval_seconds})");
            self.field_error("MaxDelaySeconds", message);
        }
        let jitter = match self.word("JitterStrategy", &["NONE", "FULL"]) {
            Some("FULL") => Jitter::Full,
            _ => Jitter::None,
        };
        self.finish();
        Retrier {
            error_equals,
            interval_seconds,
            attempts_max,
            backoff_rate: rate.unwrap_or(2.0),
            delay_max_seconds,
            jitter,
        }
    }

    /// `Catch`, in order.
    pub(super) fn catch(&mut self) -> Vec<Catcher> {
        if !self.has("Catch") || self.is_empty_list("Catch") {
            return Vec::new();
        }
        let readers = self.objects("Catch");
        let last = readers.len().saturating_sub(1);
        readers.into_iter().enumerate().filter_map(|(index, reader)| reader.catcher(index == last)).collect()
    }

    fn catcher(mut self, last: bool) -> Option<Catcher> {
        let error_equals = self.error_equals(last);
        if !self.has("Next") {
            self.require(&["Next"]);
        }
        let next = self.target("Next");
        let result_path = self.result_path();
        let output = self.template_in(Jsonata, "Output");
        let assign = self.assign();
        self.forbid_states_members(&["Output", "Assign"], &["result"]);
        self.finish();
        Some(Catcher { error_equals, next: next?, result_path, assign, output })
    }

    /// `ErrorEquals`; `States.ALL` stands alone, and only in the last entry.
    fn error_equals(&mut self, last: bool) -> Vec<String> {
        let field = "ErrorEquals";
        self.require(&[field]);
        let Some(items) = self.list(field) else { return Vec::new() };
        let mut names = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.as_str() {
                Some(name) => names.push(name.to_owned()),
                None => self.field_error(&format!("{field}[{index}]"), "Expected value of type [STRING]"),
            }
        }
        if names.iter().any(|name| name == ALL) {
            if names.len() > 1 {
                self.field_error(field, "States.ALL must be the only error in its ErrorEquals");
            }
            if !last {
                self.field_error(field, "States.ALL is only allowed in the last entry; move this entry to the end");
            }
        }
        names
    }

    /// An empty `Retry` or `Catch` is the same as none.
    fn is_empty_list(&mut self, field: &'static str) -> bool {
        self.value(field).and_then(serde_json::Value::as_array).is_some_and(Vec::is_empty)
    }
}
