//! Preparation: the three silver tables become `events1`, `users1` and `transactions1`, one typed row per key.
//!
//! Source: pipelines.md 3.2.

use serde_json::{Map, Value};

use super::silver::{SILVER, SilverTable, find_files};
use crate::job::{Code, JobContext, JobError};
use crate::lake::Folder;
use crate::query::{Column, Kind, Query, Value as Literal, column, lost_column};

/// What a text has to look like to be read as an instant; anything else is null, whatever a parser could make of it.
///
/// Source: pipelines.md 3.2, 3.
const INSTANT: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?|T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$";

/// What was found in a silver table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Its rows.
    pub rows: u64,
    /// Rows without a key: they go to quarantine.
    pub null_keys: u64,
    /// Rows with a key that an equal or newer version replaced.
    pub duplicates: u64,
}

/// Values of a column of silver that were there and are null, since their type does not become text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// The silver table.
    pub table: &'static str,
    /// Its column.
    pub column: String,
    /// How many.
    pub values: u64,
    /// One of them: its type, or its bytes in hex.
    pub example: String,
}

/// The silver tables as they were found.
#[derive(Clone, Debug, Default)]
pub(super) struct Silver {
    /// In their order.
    pub counts: [Counts; 3],
    /// Of all of them.
    pub lost: Vec<Lost>,
}

/// The prepared tables, registered in the query they were made in.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// By silver table, in their order: events, users, transactions.
    pub counts: [Counts; 3],
    /// The figures of `counts.sql` by name.
    pub figures: Map<String, Value>,
    /// What did not become text.
    pub lost: Vec<Lost>,
}

impl Prepared {
    /// A figure of `counts.sql`.
    pub fn figure(&self, name: &str) -> u64 {
        self.figures.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    /// The counts of a silver table.
    pub fn of(&self, table: &str) -> Counts {
        let at = SILVER.iter().position(|silver| silver.name == table);
        at.map(|at| self.counts[at]).unwrap_or_default()
    }
}

/// Registers the silver tables as `silver_<name>`; whatever type a column is of, it is read as text.
///
/// # Errors
/// `SILVER_INPUT_MISSING` naming the tables that do not exist or hold no row, `STORAGE_ERROR`.
pub(super) async fn open_silver(context: &JobContext, query: &Query, base: &Folder) -> Result<Silver, JobError> {
    let Silver { mut counts, mut lost } = Silver::default();
    let mut missing = Vec::new();
    let mut bytes = 0;
    for (table, counts) in SILVER.iter().zip(&mut counts) {
        let folder = base.child(table.name);
        let files = find_files(&folder).await?;
        for partition in files.incomplete {
            context.warn(format!("`{}` was not written to its end and is left out", folder.uri_of(&partition)));
        }
        bytes += files.bytes;
        if !files.names.is_empty() {
            let columns: Vec<Column> = table.columns.iter().cloned().chain(table.columns.iter().map(beside)).collect();
            query.parquet(&registered(table), &folder, &files.names, Some(&columns)).await?;
            *counts = count(query, table).await?;
            lost.extend(find_lost(query, table).await?);
        }
        if counts.rows == 0 {
            missing.push(table.name);
        }
    }
    context.metric("silver_bytes", bytes);
    if missing.is_empty() {
        return Ok(Silver { counts, lost });
    }
    let message = format!(
        "SILVER_INPUT_MISSING: {} in `{}`: no table or no rows; nothing was written, deliver silver first",
        missing.join(", "),
        base.uri()
    );
    Err(JobError::new(Code::SilverInputMissing, message))
}

fn registered(table: &SilverTable) -> String {
    format!("silver_{}", table.name)
}

async fn count(query: &Query, table: &SilverTable) -> Result<Counts, JobError> {
    let sql = format!(
        "select count(*) as total, count(sw_label({key})) as keyed from {name}",
        key = table.key,
        name = registered(table)
    );
    let row = query.json(&sql, &[]).await?.pop().unwrap_or_default();
    let figure = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
    Ok(Counts { rows: figure("total"), null_keys: figure("total") - figure("keyed"), duplicates: 0 })
}

/// The column that says what is lost of another.
fn beside(column: &Column) -> Column {
    lost_column(&column.name)
}

async fn find_lost(query: &Query, table: &'static SilverTable) -> Result<Vec<Lost>, JobError> {
    let figures = table.columns.iter().map(|column| {
        let (name, lost) = (&column.name, beside(column).name);
        format!("count({lost}) as {name}_count, min({lost}) as {name}_example")
    });
    let sql = format!("select {} from {}", figures.collect::<Vec<_>>().join(", "), registered(table));
    let row = query.json(&sql, &[]).await?.pop().unwrap_or_default();
    let found = |column: &Column| {
        let values = row.get(&format!("{}_count", column.name)).and_then(Value::as_u64).filter(|values| *values > 0)?;
        let example = row.get(&format!("{}_example", column.name)).and_then(Value::as_str).unwrap_or_default();
        Some(Lost { table: table.name, column: column.name.to_string(), values, example: example.to_owned() })
    };
    Ok(table.columns.iter().filter_map(found).collect())
}

/// Refuses too many events without an id.
///
/// # Errors
/// `DQ_FAILED`.
pub(super) fn check_null_event_ids(events: Counts, rate_max: f64) -> Result<f64, JobError> {
    let rate = events.null_keys as f64 / events.rows.max(1) as f64;
    if rate <= rate_max {
        return Ok(rate);
    }
    let message = format!(
        "DQ_FAILED: {} of {} events have no event_id ({:.2}%, threshold {:.2}%); nothing was written, repair silver or raise \
         --max_null_event_id_rate",
        events.null_keys,
        events.rows,
        rate * 100.0,
        rate_max * 100.0
    );
    Err(JobError::new(Code::DqFailed, message))
}

/// Makes the three tables. They are computed once and kept, since every gold table reads them.
///
/// # Errors
/// Those of the query.
pub(super) async fn prepare(query: &Query, silver: Silver) -> Result<Prepared, JobError> {
    let Silver { mut counts, lost } = silver;
    let statements = [
        ("events1", include_str!("sql/events1.sql")),
        ("users1", include_str!("sql/users1.sql")),
        ("transactions1", include_str!("sql/transactions1.sql")),
    ];
    for ((name, sql), counts) in statements.into_iter().zip(&mut counts) {
        let kept = query.keep(name, sql, &[("instant", Literal::from(INSTANT))]).await?;
        counts.duplicates = (counts.rows - counts.null_keys).saturating_sub(kept);
    }
    let figures = query.json(include_str!("sql/counts.sql"), &[]).await?.pop().unwrap_or_default();
    Ok(Prepared { counts, figures, lost })
}

/// The columns of a silver table's quarantine: its own, and why the row is there.
pub(super) fn quarantine_columns(table: &SilverTable) -> Vec<Column> {
    table.columns.iter().cloned().chain([column("dq_reason", Kind::Text)]).collect()
}

/// The rows of a silver table that have no key, as they came, in a fixed order.
pub(super) fn quarantine_sql(table: &SilverTable) -> String {
    let names = table.columns.iter().map(|column| column.name.to_string()).collect::<Vec<_>>();
    let order = names.iter().map(|name| format!("{name} nulls last")).collect::<Vec<_>>().join(", ");
    format!(
        "select {columns}, 'null_{key}' as dq_reason from {name} where sw_label({key}) is null order by {order}",
        columns = names.join(", "),
        key = table.key,
        name = registered(table)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_null_event_ids_may_reach_its_threshold_and_not_pass_it() {
        for (null_keys, rows, rate_max, good) in
            [(2, 405, 0.05, true), (5, 100, 0.05, true), (6, 100, 0.05, false), (1, 1, 1.0, true), (1, 100, 0.0, false)]
        {
            let checked = check_null_event_ids(Counts { rows, null_keys, duplicates: 0 }, rate_max);
            assert_eq!(checked.is_ok(), good, "{null_keys} of {rows}, {rate_max}: {checked:?}");
        }
    }
}
