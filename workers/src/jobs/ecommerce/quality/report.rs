//! All checks of a run: what is written, reported, and whether the table may be published.

use chrono::NaiveDate;
use serde_json::{Value as Json, json};

use super::check::Check;
use super::worst;
use crate::job::{Code, JobContext, QualityCheck, QualityStatus};

/// The checks of one table and run.
#[derive(Debug)]
pub(in crate::jobs::ecommerce) struct Report {
    table: &'static str,
    date: NaiveDate,
    checks: Vec<Check>,
    /// Items whose order or product nobody knows, where items are read.
    orphan_items: Option<u64>,
}

fn name(status: QualityStatus) -> &'static str {
    match status {
        QualityStatus::Pass => "PASS",
        QualityStatus::Warn => "WARN",
        QualityStatus::Fail => "FAIL",
    }
}

impl Report {
    pub(super) fn new(table: &'static str, date: NaiveDate, checks: Vec<Check>) -> Report {
        Report { table, date, checks, orphan_items: None }
    }

    /// With the number of items that are left out.
    #[must_use]
    pub(super) fn with_orphan_items(self, orphan_items: Option<u64>) -> Report {
        Report { orphan_items, ..self }
    }

    /// `PASS`, `WARN` or `FAIL`: the worst of the checks.
    pub fn status(&self) -> &'static str {
        name(worst(self.checks.iter().map(|check| check.status)))
    }

    /// Why the table must not be published, with the code of the failure.
    pub fn refusal(&self) -> Option<(Code, String)> {
        let failed: Vec<&Check> = self.checks.iter().filter(|check| check.status == QualityStatus::Fail).collect();
        let code = match failed.iter().any(|check| check.name == "schema") {
            true => Code::SchemaValidationFailed,
            false => Code::DqFailed,
        };
        let why: Vec<String> = failed
            .iter()
            .map(|check| {
                format!("{}: expected {}, found {} ({})", check.name, check.expected, check.actual, check.details)
            })
            .collect();
        (!failed.is_empty()).then(|| (code, why.join("; ")))
    }

    /// Reports every check with the run.
    pub fn tell(&self, context: &JobContext) {
        context.metric("dq_status", self.status());
        if let Some(orphan_items) = self.orphan_items {
            context.metric("orphan_items", orphan_items);
        }
        for check in &self.checks {
            context.quality(QualityCheck {
                table: self.table.to_owned(),
                check: check.name.to_owned(),
                status: check.status,
                expected: check.expected.clone(),
                actual: check.actual.clone(),
                tolerance: check.tolerance.clone(),
                details: check.details.clone(),
            });
            if check.status == QualityStatus::Warn {
                let Check { name, expected, actual, details, severity, .. } = check;
                let text = format!("{name} of {}: expected {expected}, found {actual} ({details})", self.table);
                context.alarm(*severity, text);
            }
        }
    }

    /// The object that is written beside the table.
    ///
    /// Source: pipelines.md 5.6.
    pub fn to_json(&self) -> Json {
        let checks = self.checks.iter().map(|check| {
            json!({
                "name": check.name,
                "status": name(check.status),
                "expected": check.expected,
                "actual": check.actual,
                "tolerance": check.tolerance,
                "details": check.details,
            })
        });
        json!({
            "table": self.table,
            "date": self.date.to_string(),
            "status": self.status(),
            "checks": checks.collect::<Vec<_>>(),
        })
    }
}
