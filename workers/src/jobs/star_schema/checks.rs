//! What must hold of the ten tables before they are switched in, and after.
//!
//! The tables are looked at through the files they are in, staged or published, not through what made them.
//!
//! Source: pipelines.md 3.4, post-check and invariants.

use serde_json::{Map, Value};

use super::tables::{GoldTable, TABLES};
use crate::job::{Code, JobContext, JobError, QualityCheck, QualityStatus};
use crate::lake::Folder;
use crate::query::Query;

/// Sums of money may differ by this much.
const AMOUNT_TOLERANCE: f64 = 0.01;

/// A table's files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// Which table.
    pub table: &'static GoldTable,
    /// The folder the names are below.
    pub folder: Folder,
    /// Its data files.
    pub names: Vec<String>,
}

/// A rule between two figures of `invariants.sql`.
struct Invariant {
    table: &'static str,
    check: &'static str,
    /// The names of the figures whose sum is expected, and of the one that is.
    expected: &'static [&'static str],
    actual: &'static [&'static str],
    tolerance: f64,
}

const fn equal(
    table: &'static str,
    check: &'static str,
    expected: &'static [&'static str],
    actual: &'static [&'static str],
) -> Invariant {
    Invariant { table, check, expected, actual, tolerance: 0.0 }
}

const INVARIANTS: &[Invariant] = &[
    equal("dim_users", "one row per user id", &["dim_users_ids"], &["dim_users_rows"]),
    equal("fact_events", "one row per event id", &["fact_events_ids"], &["fact_events_rows"]),
    equal("fact_transactions", "one row per transaction id", &["fact_transactions_ids"], &["fact_transactions_rows"]),
    equal(
        "daily_revenue",
        "transactions with a date, and those without, are all",
        &["fact_transactions_rows"],
        &["revenue_transactions", "dateless_rows"],
    ),
    Invariant {
        tolerance: AMOUNT_TOLERANCE,
        ..equal("daily_revenue", "revenue is the amounts with a date", &["dated_amount"], &["revenue_total"])
    },
    equal("user_ltv", "one row per user", &["ltv_users"], &["ltv_rows"]),
    Invariant {
        tolerance: AMOUNT_TOLERANCE,
        ..equal("user_ltv", "revenue is the amounts with a user", &["user_amount"], &["ltv_total"])
    },
    equal("fact_user_activity", "events are those with user and date", &["dated_user_events"], &["activity_events"]),
    equal(
        "fact_user_activity",
        "transactions are those with user and date",
        &["dated_user_transactions"],
        &["activity_transactions"],
    ),
    equal("daily_active_users", "days whose total is below a part or above the sum", &[], &["active_days_wrong"]),
];

/// Registers the tables under their names and checks presence, schema and invariants; every result is reported.
///
/// # Errors
/// `GOLD_OUTPUT_MISSING`, `SCHEMA_VALIDATION_FAILED` or `DQ_FAILED`, naming the tables.
pub(super) async fn check(context: &JobContext, query: &Query, files: &[Files]) -> Result<(), JobError> {
    let absent: Vec<&str> = TABLES
        .iter()
        .filter(|table| !files.iter().any(|files| files.table.name == table.name && !files.names.is_empty()))
        .map(|table| table.name)
        .collect();
    if !absent.is_empty() {
        return Err(missing("has no data file", &absent));
    }
    for Files { table, folder, names } in files {
        // As they are, not as they should be: what is declared would hide what is wrong.
        query.parquet(table.name, folder, names, None).await?;
        check_schema(query, table).await?;
    }
    let mut empty = Vec::new();
    for table in TABLES.iter().filter(|table| table.rows_required) {
        let rows = query.json(&format!("select count(*) as total from {}", table.name), &[]).await?;
        if rows.first().and_then(|row| row.get("total")).and_then(Value::as_u64).unwrap_or_default() == 0 {
            empty.push(table.name);
        }
    }
    if !empty.is_empty() {
        return Err(missing("has no row", &empty));
    }
    let figures = query.json(include_str!("sql/invariants.sql"), &[]).await?.pop().unwrap_or_default();
    let violated = judge(context, &figures);
    if violated.is_empty() {
        return Ok(());
    }
    Err(JobError::new(Code::DqFailed, format!("DQ_FAILED: {}", violated.join("; "))))
}

fn missing(what: &str, tables: &[&str]) -> JobError {
    JobError::new(Code::GoldOutputMissing, format!("GOLD_OUTPUT_MISSING: {} {what}", tables.join(", ")))
}

async fn check_schema(query: &Query, table: &GoldTable) -> Result<(), JobError> {
    let found = query.columns(table.name).await?;
    if found.as_slice() == table.columns {
        return Ok(());
    }
    let list = |columns: &[crate::query::Column]| {
        columns.iter().map(|column| format!("{} {:?}", column.name, column.kind)).collect::<Vec<_>>().join(", ")
    };
    let message = format!(
        "SCHEMA_VALIDATION_FAILED: {} has the columns {}; expected are {}",
        table.name,
        list(&found),
        list(table.columns)
    );
    Err(JobError::new(Code::SchemaValidationFailed, message))
}

/// Reports every rule; the broken ones in words.
fn judge(context: &JobContext, figures: &Map<String, Value>) -> Vec<String> {
    let sum = |names: &[&str]| -> f64 {
        names.iter().filter_map(|name| figures.get(*name)).filter_map(Value::as_f64).fold(0.0, |sum, x| sum + x)
    };
    let mut violated = Vec::new();
    for rule in INVARIANTS {
        let (expected, actual) = (sum(rule.expected), sum(rule.actual));
        // A figure that is not there is a rule that was not checked.
        let known =
            rule.expected.iter().chain(rule.actual).all(|name| figures.get(*name).is_some_and(Value::is_number));
        let holds = known && (expected - actual).abs() <= rule.tolerance;
        if !holds {
            violated.push(format!("{}: {} (expected {expected}, found {actual})", rule.table, rule.check));
        }
        context.quality(QualityCheck {
            table: rule.table.to_owned(),
            check: rule.check.to_owned(),
            status: if holds { QualityStatus::Pass } else { QualityStatus::Fail },
            expected: expected.into(),
            actual: actual.into(),
            tolerance: rule.tolerance.into(),
            details: String::new(),
        });
    }
    violated
}
