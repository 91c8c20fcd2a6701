//! Which partitions a run is about, and what became of each: read from its input, its output, and, when it did not get
//! to an output, from the Map it was in.

use std::collections::BTreeSet;

use asl::Execution;
use asl::execution::Waiting;
use chrono::NaiveDate;
use serde_json::Value;

use super::PartitionRule;
use crate::store::Outcome;

/// A calendar day as pipelines write it, `2024-12-07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// The day of a date.
    pub fn new(date: NaiveDate) -> Self {
        Self(date)
    }

    /// The date.
    pub fn date(self) -> NaiveDate {
        self.0
    }

    /// Reads `YYYY-MM-DD`, four digits of year and two of month and day; `None` for what is no day of the calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self);
        day.filter(|day| day.to_string() == text)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

/// The days from `start` to `end`, both included, in ascending order whichever comes first.
pub fn days_between(start: Day, end: Day) -> impl Iterator<Item = Day> {
    let (first, last) = (start.min(end), start.max(end));
    first.0.iter_days().take_while(move |day| *day <= last.0).map(Day)
}

/// The partitions that an input names, ascending: `manifest_keys`, else `date_range`, else the key itself.
///
/// Source: pipelines.md 1.3; the order is the one in which the state machine looks.
pub(super) fn of_input(rule: &PartitionRule, input: &Value) -> Vec<String> {
    let day = |value: &Value| value.as_str().and_then(Day::parse);
    let keyed = |value: &Value| value.get(&rule.key).and_then(day);
    let days: BTreeSet<Day> = if let Some(manifests) = input.get("manifest_keys").and_then(Value::as_array)
        && !manifests.is_empty()
    {
        manifests.iter().filter_map(keyed).collect()
    } else if let Some(range) = input.get("date_range") {
        let (start, end) = (range.get("start").and_then(day), range.get("end").and_then(day));
        match (start, end) {
            (Some(start), Some(end)) => days_between(start, end).take(rule.range_days_max as usize).collect(),
            _ => BTreeSet::new(),
        }
    } else {
        keyed(input).into_iter().collect()
    };
    days.into_iter().map(|day| day.to_string()).collect()
}

/// What became of a partition, and why.
pub(super) type Settled = (Outcome, Option<String>);

/// The code of a run that found its partition made from the same input already. Source: pipelines.md 1.5.
const IDEMPOTENT_SKIP: &str = "IDEMPOTENT_SKIP";

/// Whether a run left the partition as it was because it is in, rather than because there is nothing.
pub(super) fn is_in_place(outcome: Outcome, reason: Option<&str>) -> bool {
    let code = reason.and_then(|reason| reason.split(':').next());
    outcome == Outcome::Skipped && code == Some(IDEMPOTENT_SKIP)
}

/// What a succeeded run says of `partition` in its output: `partitions` and `skipped` as in pipelines.md 1.10. A machine
/// that says nothing has made what it was asked for.
pub(super) fn of_output(rule: &PartitionRule, output: &Value, partition: &str) -> Settled {
    let skipped = output.get("skipped").and_then(Value::as_array);
    let is_this = |value: &Value| {
        let text = value.as_str().or_else(|| value.get(&rule.key)?.as_str()).unwrap_or_default();
        text == partition || text.strip_prefix(&rule.key).and_then(|rest| rest.strip_prefix('=')) == Some(partition)
    };
    if let Some(skip) = skipped.into_iter().flatten().find(|skip| is_this(skip)) {
        return (Outcome::Skipped, Some(code_and_message(skip)));
    }
    match output.get("partitions").and_then(Value::as_array) {
        Some(made) if !made.iter().any(is_this) => {
            (Outcome::Skipped, Some("NOT_PROCESSED: the run left this partition out".to_owned()))
        }
        _ => (Outcome::Succeeded, None),
    }
}

/// What is known of the partitions of a run that ends before its output: those whose iteration of a Map has finished.
pub(super) fn of_open_maps(rule: &PartitionRule, execution: &Execution) -> Vec<(String, Settled)> {
    let children = execution.open_states().filter_map(|open| match &open.state.waiting {
        Some(Waiting::Children(children)) => Some(children),
        _ => None,
    });
    children
        .flat_map(|children| children.results.iter().flatten())
        .filter_map(|result| of_iteration(rule, result))
        .collect()
}

/// What an iteration ended with: the answer of a step that said no, or anything else with the partition's key.
fn of_iteration(rule: &PartitionRule, output: &Value) -> Option<(String, Settled)> {
    let partition = output.get(&rule.key)?.as_str()?.to_owned();
    let says_no = |name: &str| output.get(name).and_then(Value::as_bool) == Some(false);
    let settled = if says_no("proceed") || says_no("shouldProcess") {
        (Outcome::Skipped, Some(code_and_message(output)))
    } else {
        (Outcome::Succeeded, None)
    };
    Some((partition, settled))
}

/// The partitions that were being worked on: those of open iterations.
pub(super) fn in_progress(rule: &PartitionRule, execution: &Execution) -> BTreeSet<String> {
    let inside = execution.open_states().filter(|open| open.frame.parent.is_some());
    inside.filter_map(|open| Some(open.state.input.get(&rule.key)?.as_str()?.to_owned())).collect()
}

/// `CODE: message` from an object that says why nothing was done.
fn code_and_message(why: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let error = why.get("error");
    let code = text(why, "code").or_else(|| error.and_then(|error| text(error, "code")));
    let reason = text(why, "reason").or_else(|| error.and_then(|error| text(error, "message")));
    match (code, reason) {
        (Some(code), Some(reason)) if code != reason => format!("{code}: {reason}"),
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) => "SKIPPED".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn days_are_real_days_written_in_full() {
        for (text, valid) in [
            ("2024-02-29", true),
            ("2023-02-29", false),
            ("2024-2-9", false),
            ("20240209", false),
            ("+024-02-09", false),
        ] {
            assert_eq!(Day::parse(text).is_some(), valid, "{text}");
        }
    }

    #[test]
    fn inputs_name_their_partitions_in_three_ways() {
        let rule = PartitionRule { range_days_max: 3, ..PartitionRule::default() };
        for (input, expected) in [
            (json!({ "ds": "2024-12-07" }), vec!["2024-12-07"]),
            (json!({ "ds": "soon" }), vec![]),
            (json!({}), vec![]),
            (
                json!({ "date_range": { "start": "2024-03-01", "end": "2024-02-28" } }),
                vec!["2024-02-28", "2024-02-29", "2024-03-01"],
            ),
            (
                json!({ "date_range": { "start": "2024-01-01", "end": "2025-01-01" } }),
                vec!["2024-01-01", "2024-01-02", "2024-01-03"],
            ),
            (json!({ "date_range": { "start": "2024-01-01" } }), vec![]),
            (
                json!({ "manifest_keys": [{ "ds": "2024-12-07" }, { "ds": "2024-12-06" }, { "ds": "2024-12-07" }], "ds": "2020-01-01" }),
                vec!["2024-12-06", "2024-12-07"],
            ),
        ] {
            assert_eq!(of_input(&rule, &input), expected, "{input}");
        }
    }

    #[test]
    fn only_an_idempotent_skip_leaves_a_partition_in_place() {
        for (outcome, reason, expected) in [
            (Outcome::Skipped, Some("IDEMPOTENT_SKIP: Already processed"), true),
            (Outcome::Skipped, Some("IDEMPOTENT_SKIP"), true),
            (Outcome::Skipped, Some("NO_RAW_DATA: nothing there"), false),
            (Outcome::Skipped, None, false),
            (Outcome::Failed, Some("IDEMPOTENT_SKIP: odd"), false),
        ] {
            assert_eq!(is_in_place(outcome, reason), expected, "{outcome:?} {reason:?}");
        }
    }

    #[test]
    fn outputs_settle_each_partition() {
        let rule = PartitionRule::default();
        let output = json!({
            "partitions": ["ds=2024-12-05", "2024-12-06"],
            "skipped": [{ "ds": "2024-12-07", "code": "NO_RAW_DATA", "reason": "nothing there" }, { "ds": "2024-12-08", "reason": "STALE_OUTPUT" }],
        });
        for (partition, expected) in [
            ("2024-12-05", (Outcome::Succeeded, None)),
            ("2024-12-06", (Outcome::Succeeded, None)),
            ("2024-12-07", (Outcome::Skipped, Some("NO_RAW_DATA: nothing there".to_owned()))),
            ("2024-12-08", (Outcome::Skipped, Some("STALE_OUTPUT".to_owned()))),
            ("2024-12-09", (Outcome::Skipped, Some("NOT_PROCESSED: the run left this partition out".to_owned()))),
        ] {
            assert_eq!(of_output(&rule, &output, partition), expected, "{partition}");
        }
        assert_eq!(of_output(&rule, &json!("done"), "2024-12-07"), (Outcome::Succeeded, None));
    }

    #[test]
    fn an_iteration_tells_its_partition_by_what_it_ended_with() {
        let rule = PartitionRule::default();
        let skipped = json!({ "ds": "2024-12-07", "proceed": false, "reason": "Already processed", "error": { "code": "IDEMPOTENT_SKIP", "message": "x" } });
        let why = Some("IDEMPOTENT_SKIP: Already processed".to_owned());
        assert_eq!(of_iteration(&rule, &skipped), Some(("2024-12-07".to_owned(), (Outcome::Skipped, why))));
        let made = json!({ "ds": "2024-12-07", "shouldRunCrawler": false });
        assert_eq!(of_iteration(&rule, &made), Some(("2024-12-07".to_owned(), (Outcome::Succeeded, None))));
        assert_eq!(of_iteration(&rule, &json!(true)), None);
    }
}
