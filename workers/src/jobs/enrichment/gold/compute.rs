//! The rows of gold for some dates, computed from silver at one version and judged before anything is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::bad_records::BadRecords;
use super::super::columns::{GOLD_TABLES, SILVER};
use super::super::settings::GoldSettings;
use super::checks;
use super::quality::{self, QualityRow};
use super::source::{self, Scope};
use crate::job::{Code, JobContext, JobError, QualityCheck};
use crate::lake::Folder;
use crate::lake::delta::Delta;
use crate::query::{Column, Kind, Query, Rows, Value as Literal, column, json_rows, lost_column};

/// What a computation found, as in the metrics of a batch.
///
/// Source: pipelines.md 4.6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of silver for the dates.
    pub input_rows: u64,
    /// Rows set aside.
    pub bad_rows: u64,
    /// NaN and infinities that became null.
    pub non_finite_values: u64,
    /// Rows that a later one of the same transaction replaces.
    pub duplicates: u64,
    /// Rows without a user, left out of spend.
    pub null_user_rows: u64,
    /// Rows without a product, left out of usage.
    pub null_product_rows: u64,
    /// Users' days with more than one currency.
    pub mixed_currency_groups: u64,
    /// Rows of `user_spend_summary`.
    pub spend_rows: u64,
    /// Rows of `product_usage_metrics`.
    pub usage_rows: u64,
    /// Rows of `high_risk_txns`.
    pub risk_rows: u64,
    /// Of these, flagged.
    pub flagged_rows: u64,
}

/// Gold of some dates, not yet written.
pub struct Gold {
    query: Query,
    /// The dates it is for.
    pub scope: Scope,
    /// What was found.
    pub counts: Counts,
    /// Silver's quality rules, for the report only.
    pub quality: Vec<QualityRow>,
    /// The checks of gold, all passed.
    pub checks: Vec<QualityCheck>,
    /// What is to be said of silver's columns: those that are not gold's, and those that cannot be read.
    pub warnings: Vec<String>,
}

/// The names of the three results, in the order of [`GOLD_TABLES`], and what their rows are sorted by. Nothing else tells
/// transactions without an id apart, so theirs are sorted by all columns.
const RESULTS: [(&str, &[&str]); 3] = [
    ("gold_spend", &["event_date", "user_id"]),
    ("gold_usage", &["event_date", "product_id"]),
    ("gold_risk", &["event_date", "user_id", "transaction_id", "event_time"]),
];

/// Computes gold for the dates of `scope` from silver at its loaded version. Bad rows go to `bad_records`.
///
/// # Errors
/// `MISSING_COLUMNS`; `DQ_FAILED` naming the violated checks (they are reported on the context, too); `STORAGE_ERROR`.
pub async fn compute(
    context: &JobContext,
    silver: &Delta,
    scope: &Scope,
    settings: &GoldSettings,
    bad_records: Folder,
) -> Result<Gold, JobError> {
    let query = Query::new(context)?;
    query.delta("silver", silver).await?;
    let found = query.columns("silver").await?;
    let nested = silver.nested_columns()?;
    let source = source::source(&found, &nested, scope)?;
    query.keep("source", &source.sql, &[]).await?;
    let set_aside = set_aside(&query, &source.doubtful, bad_records).await?;
    // Filled in as text: these are lists of names of our own.
    let columns = SILVER.iter().map(|column| column.name.as_ref()).collect::<Vec<_>>();
    let order = columns.iter().map(|name| format!("{name} desc nulls last")).collect::<Vec<_>>().join(", ");
    let latest =
        include_str!("../sql/latest.sql").replace("${columns}", &columns.join(", ")).replace("${order}", &order);
    query.keep("latest", &latest, &[]).await?;
    let parameters: [(&str, Literal); 3] = [
        ("risk_level", settings.risk_level_value.as_str().into()),
        ("threshold", settings.risk_ratio_threshold.into()),
        ("flagged_only", settings.high_risk_only.into()),
    ];
    query.keep("gold_spend", include_str!("../sql/spend.sql"), &[]).await?;
    query.keep("gold_usage", include_str!("../sql/usage.sql"), &[]).await?;
    query.keep("gold_risk", include_str!("../sql/risk.sql"), &parameters).await?;
    let counts = counts(&query, set_aside).await?;
    let checks = checks::run(&query, &parameters).await?;
    let quality = quality::run(&query, settings.risk_ratio_threshold).await?;
    let unknown = |column: &&Column| {
        let beside = |other: &Column| lost_column(&other.name).name == column.name;
        !SILVER.iter().any(|silver| silver.name == column.name) && !found.iter().any(beside)
    };
    let extra: Vec<&str> = found.iter().filter(unknown).map(|column| column.name.as_ref()).collect();
    let mut warnings = Vec::new();
    if !extra.is_empty() {
        warnings.push(format!("columns of silver that gold does not know: {}", extra.join(", ")));
    }
    for (name, kind) in nested.iter().filter(|(name, _)| SILVER.iter().any(|column| column.name == name.as_str())) {
        warnings.push(format!("column {name} of silver is null in gold: its type {kind} cannot be read"));
    }
    if let Some(message) = checks::violations(&checks) {
        checks.into_iter().for_each(|check| context.quality(check));
        return Err(JobError::new(Code::DqFailed, message));
    }
    Ok(Gold { query, scope: scope.clone(), counts, quality, checks, warnings })
}

impl Gold {
    /// The rows of the table at `place` in [`GOLD_TABLES`].
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` of the engine.
    pub async fn rows(&self, place: usize) -> Result<Rows, JobError> {
        let (result, keys) = RESULTS[place];
        let mut order: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        if result == "gold_risk" {
            let columns = GOLD_TABLES[place].columns.iter().map(|column| column.name.as_ref());
            let others = columns.filter(|name| !keys.contains(name));
            // A sort looks at every byte of every key: of most rows these are null.
            order.extend(others.map(|name| format!("case when transaction_id is null then {name} end")));
        }
        // Kept results have no order.
        let sql = format!("select * from {result} order by {}", order.join(", "));
        self.query.stream(&sql, &[], GOLD_TABLES[place].columns).await
    }

    /// Rows by date of the table at `place`.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` of the engine.
    pub async fn rows_by_date(&self, place: usize) -> Result<BTreeMap<String, u64>, JobError> {
        let sql = format!("select event_date, count(*) as row_count from {} group by event_date", RESULTS[place].0);
        let rows = self.query.json(&sql, &[]).await?;
        let pair = |row: &Map<String, Value>| {
            Some((row.get("event_date")?.as_str()?.to_owned(), row.get("row_count")?.as_u64()?))
        };
        Ok(rows.iter().filter_map(pair).collect())
    }
}

/// Sets the bad rows aside, a batch at a time, with the values that could not be read as silver has them; how many there
/// were.
async fn set_aside(query: &Query, doubtful: &[&'static str], folder: Folder) -> Result<u64, JobError> {
    let given: Vec<String> = doubtful.iter().map(|name| format!("given_{name}")).collect();
    let mut wanted: Vec<Column> = SILVER.to_vec();
    wanted.extend(given.iter().map(|name| Column::new(name.clone(), Kind::Text)));
    wanted.push(column("bad_reason", Kind::Text));
    let columns = wanted.iter().map(|column| column.name.as_ref()).collect::<Vec<_>>().join(", ");
    let sql = format!("select {columns} from source where bad_reason is not null order by {columns}");
    let uri = folder.uri();
    let mut bad = BadRecords::into(folder);
    let mut rows = query.stream(&sql, &[], &wanted).await?;
    while let Some(batch) = rows.next(&uri).await? {
        for mut row in json_rows(&[batch])? {
            let reason = row.remove("bad_reason");
            for (name, given) in doubtful.iter().zip(&given) {
                if let Some(value) = row.remove(given).filter(|value| !value.is_null()) {
                    row.insert((*name).to_owned(), value);
                }
            }
            bad.add(reason.as_ref().and_then(Value::as_str).unwrap_or("unknown"), &Value::Object(row), None).await?;
        }
    }
    bad.finish().await
}

async fn counts(query: &Query, set_aside: u64) -> Result<Counts, JobError> {
    let mut rows = query.json(include_str!("../sql/counts.sql"), &[]).await?;
    let row = rows.pop().unwrap_or_default();
    let counts: Counts = serde_json::from_value(Value::Object(row)).map_err(|error| {
        JobError::new(Code::UnexpectedError, format!("the counts of a batch are no counts: {error}"))
    })?;
    if counts.bad_rows != set_aside {
        let message = format!("{} bad rows were counted and {set_aside} set aside", counts.bad_rows);
        return Err(JobError::new(Code::UnexpectedError, message));
    }
    Ok(counts)
}
