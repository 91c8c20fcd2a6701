//! What a run wrote and what its quality checks came to: the panel of an execution, and the detail of a day.

use askama::Template;

use super::figure::amount;
use super::mark::Mark;
use super::moment::{count, size};
use crate::pipeline::{Check, Results, Tally, Verdict, Written};

/// Tables that are listed before the rest is folded.
const TABLES_OPEN_MAX: usize = 8;

/// The panel.
#[derive(Clone, Debug, Template)]
#[template(path = "results.html")]
pub struct ResultsView {
    /// A key that stays the same while the page lives.
    key: String,
    tables: Vec<TableRow>,
    more_tables: Vec<TableRow>,
    total: Option<String>,
    tally: TallyView,
    open: Vec<CheckRow>,
    passed: Vec<CheckRow>,
    warnings: Vec<(String, String)>,
}

/// How many checks ended how, in words: `2 failed · 1 warned · 40 passed`.
#[derive(Clone, Debug, Default)]
pub struct TallyView {
    /// The parts, worst first; empty if there was no check.
    pub parts: Vec<(Mark, String)>,
}

#[derive(Clone, Debug)]
struct TableRow {
    table: String,
    part: String,
    uri: String,
    rows: String,
    files: String,
    bytes: String,
    job: String,
    quarantined: bool,
}

#[derive(Clone, Debug)]
struct CheckRow {
    mark: Mark,
    word: &'static str,
    table: String,
    part: String,
    check: String,
    expected: String,
    actual: String,
    tolerance: String,
    details: String,
    job: String,
}

impl ResultsView {
    /// The panel of some results; `None` if there is nothing in it.
    pub fn new(key: &str, results: &Results) -> Option<Self> {
        if results.is_empty() {
            return None;
        }
        let mut tables: Vec<TableRow> = results.tables.iter().map(TableRow::new).collect();
        let more_tables = tables.split_off(tables.len().min(TABLES_OPEN_MAX));
        let days: std::collections::BTreeSet<_> = results.checks.iter().map(|check| &check.partition).collect();
        let rows = results.checks.iter().map(|check| (check.status, CheckRow::new(check, days.len() > 1)));
        let (open, passed): (Vec<_>, Vec<_>) = rows.partition(|(status, _)| *status != Verdict::Pass);
        let strip = |rows: Vec<(Verdict, CheckRow)>| rows.into_iter().map(|(_, row)| row).collect();
        Some(Self {
            key: key.to_owned(),
            total: total(&results.tables),
            tables,
            more_tables,
            tally: TallyView::new(results.tally),
            open: strip(open),
            passed: strip(passed),
            warnings: results.warnings.iter().map(|warning| (warning.job.clone(), warning.text.clone())).collect(),
        })
    }
}

/// `3 tables, 2,504 rows, 81.3 KiB`, without what was set aside.
fn total(tables: &[Written]) -> Option<String> {
    let published: Vec<&Written> = tables.iter().filter(|written| !written.quarantined).collect();
    let names: std::collections::BTreeSet<&str> = published.iter().map(|written| written.table.as_str()).collect();
    let rows: i64 = published.iter().filter_map(|written| written.rows).sum();
    let bytes: i64 = published.iter().filter_map(|written| written.bytes).sum();
    let tables = match names.len() {
        0 => return None,
        1 => "1 table".to_owned(),
        several => format!("{several} tables"),
    };
    Some(format!("{tables}, {} rows, {}", count(rows), size(bytes)))
}

impl TallyView {
    /// The words for a tally.
    pub fn new(tally: Tally) -> Self {
        let parts = [
            (tally.fail, Mark::Failed, "failed"),
            (tally.warn, Mark::Warned, "warned"),
            (tally.pass, Mark::Succeeded, "passed"),
        ];
        let parts = parts.into_iter().filter(|(number, _, _)| *number > 0);
        Self { parts: parts.map(|(number, mark, word)| (mark, format!("{number} {word}"))).collect() }
    }
}

impl TableRow {
    fn new(written: &Written) -> Self {
        let number = |value: Option<i64>, show: fn(i64) -> String| value.map_or_else(|| "—".to_owned(), show);
        Self {
            table: written.table.clone(),
            part: written.part.clone(),
            uri: written.uri.clone(),
            rows: number(written.rows, count),
            files: number(written.files, count),
            bytes: number(written.bytes, size),
            job: written.job.clone(),
            quarantined: written.quarantined,
        }
    }
}

impl CheckRow {
    fn new(check: &Check, with_part: bool) -> Self {
        let (mark, word) = match check.status {
            Verdict::Fail => (Mark::Failed, "FAIL"),
            Verdict::Warn => (Mark::Warned, "WARN"),
            Verdict::Pass => (Mark::Succeeded, "PASS"),
        };
        Self {
            mark,
            word,
            table: check.table.clone(),
            part: check.partition.clone().filter(|_| with_part).unwrap_or_default(),
            check: check.check.replace('_', " "),
            expected: amount(&check.expected),
            actual: amount(&check.actual),
            tolerance: amount(&check.tolerance),
            details: amount(&check.details),
            job: check.job.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_summed_and_what_did_not_pass_comes_first() {
        let results = Results::of_ledger(
            "2024-12-07",
            &json!({ "load": {
                "outputs": [
                    { "uri": "s3://gold/fact/ds=2024-12-07", "rows": 1_500, "files": 2, "bytes": 2_048 },
                    { "uri": "s3://gold/fact/quarantine/ds=2024-12-07", "rows": 3, "files": 1, "bytes": 99 },
                    { "uri": "s3://gold/dim_date", "rows": 10, "files": 1, "bytes": 1_024 },
                ],
                "checks": { "pass": 40, "warn": 1, "fail": 1, "open": [
                    { "table": "fact", "check": "null_rate", "status": "WARN", "expected": 0, "actual": 0.02, "tolerance": 0.01 },
                    { "table": "fact", "check": "row_count", "status": "FAIL", "expected": 1_600, "actual": 1_500, "details": "100 <b>lost</b>" },
                ] },
            } }),
        );
        let view = ResultsView::new("x", &results).unwrap();
        assert_eq!(view.total.as_deref(), Some("2 tables, 1,510 rows, 3.0 KiB"));
        let words: Vec<&str> = view.tally.parts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(words, ["1 failed", "1 warned", "40 passed"]);
        let html = view.render().unwrap();
        assert!(html.find("row count").unwrap() < html.find("null rate").unwrap(), "the failed one is first");
        assert!(html.contains("1,600") && html.contains("0.02") && !html.contains("<b>lost"), "{html}");
        assert!(ResultsView::new("x", &Results::default()).is_none());
    }
}
