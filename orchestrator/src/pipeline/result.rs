//! What jobs wrote and what they found out about it, read from their reports and from the ledger: for pages and for REST.
//!
//! A job's result has `outputs: [{uri, rows, files, bytes}]` and, among its metrics, `quality: [{table, check, status,
//! expected, actual, tolerance, details}]`. An execution keeps all of it with its reports; a row of the ledger keeps the
//! outputs, how many checks passed, and those that did not. Both are read loosely: a result that is odd costs a line.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::store::ReportRecord;

/// Outputs and checks of one job that the ledger keeps.
const KEPT_MAX: usize = 50;
/// Characters of a check's texts that the ledger keeps.
const KEPT_CHARS_MAX: usize = 300;

/// How a check ended, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Not as it must be.
    Fail,
    /// Not as it should be.
    Warn,
    /// As it should be.
    Pass,
}

/// A quality check.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Check {
    /// The job that made it.
    pub job: String,
    /// The partition it is about.
    pub partition: Option<String>,
    /// The table.
    pub table: String,
    /// Its name.
    pub check: String,
    /// How it ended.
    pub status: Verdict,
    /// What should be.
    #[schema(value_type = Object)]
    pub expected: Value,
    /// What is.
    #[schema(value_type = Object)]
    pub actual: Value,
    /// How far they may be apart.
    #[schema(value_type = Object)]
    pub tolerance: Value,
    /// More for people.
    #[schema(value_type = Object)]
    pub details: Value,
}

/// A dataset or partition that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Written {
    /// The job that wrote it.
    pub job: String,
    /// The table's name, after its folder.
    pub table: String,
    /// Which part of it: `ds=2024-12-07`; empty for a whole table.
    pub part: String,
    /// Where.
    pub uri: String,
    /// Rows.
    pub rows: Option<i64>,
    /// Files.
    pub files: Option<i64>,
    /// Bytes.
    pub bytes: Option<i64>,
    /// Whether it is what was set aside instead of published.
    pub quarantined: bool,
}

/// How many checks ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Tally {
    /// As they should be.
    pub pass: u64,
    /// Not as they should be.
    pub warn: u64,
    /// Not as they must be.
    pub fail: u64,
}

/// What a run, or a part of it, came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Results {
    /// What was written.
    pub tables: Vec<Written>,
    /// How many checks ended how.
    pub tally: Tally,
    /// The same for each table.
    pub by_table: BTreeMap<String, Tally>,
    /// The checks, worst first; of a ledger row only those that did not pass.
    pub checks: Vec<Check>,
    /// What jobs warned of.
    pub warnings: Vec<Warning>,
}

/// What a job warned of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Warning {
    /// The job.
    pub job: String,
    /// Its words.
    pub text: String,
}

impl Results {
    /// From the reports of an execution, oldest first. What a later attempt reported replaces what an earlier one did.
    pub fn of_reports(reports: &[ReportRecord]) -> Self {
        let text = |report: &Value, name: &str| report.get(name).and_then(Value::as_str).map(str::to_owned);
        // A Map may run one job for many items of a partition: only a failed attempt with another behind it is passed over.
        let key = |record: &ReportRecord| {
            (record.state.clone(), text(&record.report, "job"), text(&record.report, "partition"))
        };
        let failed = |record: &ReportRecord| text(&record.report, "status").as_deref() == Some("FAILED");
        let superseded = |index: usize, record: &ReportRecord| {
            failed(record) && reports[index + 1..].iter().any(|later| key(later) == key(record))
        };
        let kept = reports.iter().enumerate().filter(|(index, record)| !superseded(*index, record));
        let mut results = Self::default();
        for (_, record) in kept {
            let job = text(&record.report, "job").unwrap_or_else(|| record.state.clone());
            let partition = text(&record.report, "partition");
            results.add_outputs(&job, record.report.get("outputs"));
            let checks = record.report.get("metrics").and_then(|metrics| metrics.get("quality"));
            results.add_checks(&job, partition.as_deref(), checks);
            results.add_warnings(&job, record.report.get("warnings"));
        }
        for check in &results.checks {
            results.tally.count(check.status, 1);
            results.by_table.entry(check.table.clone()).or_default().count(check.status, 1);
        }
        results.sort();
        results
    }

    /// From the quality results of a row of the ledger, by job.
    pub fn of_ledger(partition: &str, quality: &Value) -> Self {
        let mut results = Self::default();
        for (job, kept) in quality.as_object().into_iter().flatten() {
            results.add_outputs(job, kept.get("outputs"));
            results.add_warnings(job, kept.get("warnings"));
            let Some(checks) = kept.get("checks") else { continue };
            results.tally.add(Tally::read(checks));
            for (table, tally) in checks.get("tables").and_then(Value::as_object).into_iter().flatten() {
                results.by_table.entry(table.clone()).or_default().add(Tally::read(tally));
            }
            results.add_checks(job, Some(partition), checks.get("open"));
        }
        results.sort();
        results
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.checks.is_empty() && self.warnings.is_empty() && self.tally.total() == 0
    }

    fn add_outputs(&mut self, job: &str, outputs: Option<&Value>) {
        for output in outputs.and_then(Value::as_array).into_iter().flatten() {
            let Some(uri) = output.get("uri").and_then(Value::as_str) else { continue };
            let number = |name: &str| output.get(name).and_then(Value::as_i64);
            let (folder, part) = folder_of(uri);
            let written = Written {
                job: job.to_owned(),
                table: table_of(folder),
                part: part.to_owned(),
                uri: uri.to_owned(),
                rows: number("rows"),
                files: number("files"),
                bytes: number("bytes"),
                quarantined: uri.split('/').any(|segment| segment == "quarantine"),
            };
            // A job may publish a partition twice; the last time counts.
            match self.tables.iter_mut().find(|known| known.uri == written.uri) {
                Some(known) => *known = written,
                None => self.tables.push(written),
            }
        }
    }

    fn add_checks(&mut self, job: &str, partition: Option<&str>, checks: Option<&Value>) {
        let checks = checks.and_then(Value::as_array).into_iter().flatten();
        self.checks.extend(checks.filter_map(|check| Check::read(job, partition, check)));
    }

    fn add_warnings(&mut self, job: &str, warnings: Option<&Value>) {
        let warnings = warnings.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        self.warnings.extend(warnings.map(|text| Warning { job: job.to_owned(), text: text.to_owned() }));
    }

    fn sort(&mut self) {
        self.checks.sort_by(|a, b| a.status.cmp(&b.status).then_with(|| a.table.cmp(&b.table)));
    }
}

impl Check {
    fn read(job: &str, partition: Option<&str>, check: &Value) -> Option<Self> {
        let text = |name: &str| check.get(name).and_then(Value::as_str);
        let value = |name: &str| check.get(name).cloned().unwrap_or_default();
        let status = match text("status")?.to_ascii_uppercase().as_str() {
            "PASS" | "OK" => Verdict::Pass,
            "WARN" | "WARNING" => Verdict::Warn,
            // A status that nobody knows is not a pass.
            _ => Verdict::Fail,
        };
        Some(Self {
            job: job.to_owned(),
            partition: text("ds").or(partition).map(str::to_owned),
            table: text("table").unwrap_or_default().to_owned(),
            check: text("check")?.to_owned(),
            status,
            expected: value("expected"),
            actual: value("actual"),
            tolerance: value("tolerance"),
            details: value("details"),
        })
    }
}

impl Tally {
    /// Adds checks.
    pub fn count(&mut self, verdict: Verdict, checks: u64) {
        match verdict {
            Verdict::Pass => self.pass += checks,
            Verdict::Warn => self.warn += checks,
            Verdict::Fail => self.fail += checks,
        }
    }

    fn add(&mut self, other: Self) {
        self.pass += other.pass;
        self.warn += other.warn;
        self.fail += other.fail;
    }

    fn read(counts: &Value) -> Self {
        let count = |name: &str| counts.get(name).and_then(Value::as_u64).unwrap_or(0);
        Self { pass: count("pass"), warn: count("warn"), fail: count("fail") }
    }

    /// All checks.
    pub fn total(self) -> u64 {
        self.pass + self.warn + self.fail
    }

    /// The worst of them; `None` if there was none.
    pub fn worst(self) -> Option<Verdict> {
        match self {
            Self { fail: 1.., .. } => Some(Verdict::Fail),
            Self { warn: 1.., .. } => Some(Verdict::Warn),
            Self { pass: 1.., .. } => Some(Verdict::Pass),
            _ => None,
        }
    }
}

/// What the ledger keeps of a report: (`outputs`, `checks`); null for what the job did not say.
pub(super) fn kept(report: &Value) -> (Value, Value) {
    let outputs = report.get("outputs").and_then(Value::as_array);
    let outputs = outputs.map_or(Value::Null, |outputs| json!(outputs.iter().take(KEPT_MAX).collect::<Vec<_>>()));
    let quality = report.get("metrics").and_then(|metrics| metrics.get("quality"));
    let Some(list) = quality.and_then(Value::as_array) else { return (outputs, Value::Null) };
    let mut tally = Tally::default();
    let mut tables: BTreeMap<String, Tally> = BTreeMap::new();
    let mut open = Vec::new();
    for raw in list {
        let Some(check) = Check::read("", None, raw) else { continue };
        tally.count(check.status, 1);
        if tables.len() < KEPT_MAX || tables.contains_key(&check.table) {
            tables.entry(check.table.clone()).or_default().count(check.status, 1);
        }
        if check.status != Verdict::Pass {
            open.push((check.status, shortened(raw)));
        }
    }
    open.sort_by_key(|(verdict, _)| *verdict);
    let open: Vec<Value> = open.into_iter().take(KEPT_MAX).map(|(_, check)| check).collect();
    (outputs, json!({ "pass": tally.pass, "warn": tally.warn, "fail": tally.fail, "tables": tables, "open": open }))
}

fn shortened(check: &Value) -> Value {
    let Some(fields) = check.as_object() else { return Value::Null };
    let short = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match text.char_indices().nth(KEPT_CHARS_MAX) {
            Some((end, _)) => json!(format!("{}…", &text[..end])),
            None => value.clone(),
        }
    };
    fields.iter().map(|(name, value)| (name.clone(), short(value))).collect()
}

/// A URI without its partition (`ds=…`) and that partition.
pub fn folder_of(uri: &str) -> (&str, &str) {
    let uri = uri.trim_end_matches('/');
    let mut at = 0;
    for segment in uri.split('/') {
        if segment.contains('=') {
            return (uri[..at].trim_end_matches('/'), &uri[at..]);
        }
        at += segment.len() + 1;
    }
    (uri, "")
}

/// A table's name after its folder: `prices`, or `prices quarantine`.
fn table_of(folder: &str) -> String {
    let mut names = folder.rsplit('/').filter(|name| !name.is_empty());
    match (names.next(), names.next()) {
        // Folders beside a table's own partitions.
        (Some(zone @ ("quarantine" | "compacted")), Some(table)) => format!("{table} {zone}"),
        (Some(table), _) => table.to_owned(),
        (None, _) => folder.to_owned(),
    }
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
