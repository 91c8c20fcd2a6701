//! Metrics per table: `total_rows`, `null_rate_<column>`, `dq_not_null_<key>`, `dq_unique_<key>`, `cast_failures_<column>`,
//! `dq_timestamp_<column>`, `rows_quarantined`, `duplicates_removed`, `null_date_rows`, `unknown_user_rows`.
//!
//! `dq_…` are numbers of rows that break the rule, 0 when all is well; rates have four decimals.
//!
//! Source: pipelines.md 3.4, "Metrics per table".

use serde_json::{Map, Value, json};

use super::prepare::Prepared;
use super::tables::{GoldTable, TABLES};
use crate::job::JobError;
use crate::query::{Kind, Query};

/// The silver table whose rows a gold table has one by one.
fn source_of(table: &str) -> Option<&'static str> {
    match table {
        "dim_users" => Some("users"),
        "fact_events" => Some("events"),
        "fact_transactions" => Some("transactions"),
        _ => None,
    }
}

/// The metrics of all tables, which are registered under their names, in their order.
///
/// # Errors
/// Those of the query.
pub(super) async fn measure(
    query: &Query,
    prepared: &Prepared,
) -> Result<Vec<(&'static GoldTable, Map<String, Value>)>, JobError> {
    let mut all = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let mut metrics = of_rows(query, table).await?;
        of_preparation(table, prepared, &mut metrics);
        all.push((table, metrics));
    }
    Ok(all)
}

async fn of_rows(query: &Query, table: &GoldTable) -> Result<Map<String, Value>, JobError> {
    let counts: Vec<String> =
        table.columns.iter().enumerate().map(|(at, column)| format!("count({}) as c{at}", column.name)).collect();
    let keys = table.key.join(", ");
    let sql = format!(
        "select a.*, b.key_count from (select count(*) as total, {} from {name}) a \
         cross join (select count(*) as key_count from (select distinct {keys} from {name}) d) b",
        counts.join(", "),
        name = table.name
    );
    let row = query.json(&sql, &[]).await?.pop().unwrap_or_default();
    let figure = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
    let total = figure("total");
    let mut metrics = Map::new();
    metrics.insert("total_rows".to_owned(), total.into());
    for (at, column) in table.columns.iter().enumerate() {
        let nulls = total.saturating_sub(figure(&format!("c{at}")));
        metrics.insert(format!("null_rate_{}", column.name), json!(rate(nulls, total)));
        if table.key.contains(&column.name.as_ref()) {
            metrics.insert(format!("dq_not_null_{}", column.name), nulls.into());
        }
    }
    let repeated = total.saturating_sub(figure("key_count"));
    metrics.insert(format!("dq_unique_{}", table.key.join("_")), repeated.into());
    Ok(metrics)
}

/// Four decimals; of no rows, 0.
fn rate(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0 }
}

fn of_preparation(table: &GoldTable, prepared: &Prepared, metrics: &mut Map<String, Value>) {
    let mut add = |name: String, value: u64| metrics.insert(name, value.into());
    if let Some(source) = source_of(table.name) {
        let counts = prepared.of(source);
        add("rows_quarantined".to_owned(), counts.null_keys);
        add("duplicates_removed".to_owned(), counts.duplicates);
        for column in table.columns {
            let lost = prepared.lost.iter().find(|lost| lost.table == source && lost.column == column.name);
            let failed = prepared.figures.get(&format!("{source}_{}_failed", column.name)).and_then(Value::as_u64);
            // Other columns are text and need no cast, unless they are no text.
            if failed.is_none() && lost.is_none() {
                continue;
            }
            let failed = failed.unwrap_or_default() + lost.map_or(0, |lost| lost.values);
            add(format!("cast_failures_{}", column.name), failed);
            if column.kind == Kind::Timestamp {
                add(format!("dq_timestamp_{}", column.name), failed);
            }
        }
    }
    let figures: &[(&str, &[&str])] = match table.name {
        "fact_events" => {
            &[("null_date_rows", &["events_without_date"]), ("unknown_user_rows", &["events_without_known_user"])]
        }
        "fact_transactions" => &[
            ("null_date_rows", &["transactions_without_date"]),
            ("unknown_user_rows", &["transactions_without_known_user"]),
        ],
        // What the others leave out.
        "dim_date" | "daily_active_users" => {
            &[("null_date_rows", &["events_without_date", "transactions_without_date"])]
        }
        "daily_revenue" => &[("null_date_rows", &["transactions_without_date"])],
        "fact_user_activity" => &[
            ("null_date_rows", &["events_without_date", "transactions_without_date"]),
            ("rows_left_out", &["events_left_out", "transactions_left_out"]),
        ],
        "user_ltv" => &[("rows_left_out", &["events_without_user", "transactions_without_user"])],
        _ => &[],
    };
    for (name, parts) in figures {
        add((*name).to_owned(), parts.iter().map(|part| prepared.figure(part)).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::star_schema::prepare::{Counts, Lost};

    #[test]
    fn rates_have_four_decimals() {
        for (part, whole, expected) in [(0, 0, 0.0), (1, 3, 0.3333), (2, 3, 0.6667), (65, 400, 0.1625)] {
            assert_eq!(rate(part, whole), expected, "{part}/{whole}");
        }
    }

    #[test]
    fn what_preparation_found_stands_with_the_table_it_is_about() {
        let counts = |rows, null_keys, duplicates| Counts { rows, null_keys, duplicates };
        let prepared = Prepared {
            counts: [counts(405, 2, 3), counts(67, 1, 6), counts(251, 0, 1)],
            figures: json!({
                "events_ts_failed": 4, "events_without_date": 7, "events_without_known_user": 51,
                "transactions_amount_failed": 3, "transactions_created_at_failed": 2, "transactions_without_date": 2,
            })
            .as_object()
            .cloned()
            .unwrap(),
            lost: [("events", "country", 2), ("events", "age", 1), ("transactions", "amount", 4)]
                .map(|(table, column, values)| Lost {
                    table,
                    column: column.to_owned(),
                    values,
                    example: "ff".to_owned(),
                })
                .to_vec(),
        };
        let table = |name: &str| {
            let mut metrics = Map::new();
            of_preparation(TABLES.iter().find(|table| table.name == name).unwrap(), &prepared, &mut metrics);
            Value::from(metrics)
        };
        assert_eq!(
            table("fact_events"),
            json!({
                "rows_quarantined": 2, "duplicates_removed": 3, "cast_failures_ts": 4, "dq_timestamp_ts": 4,
                "cast_failures_country": 2, "null_date_rows": 7, "unknown_user_rows": 51,
            })
        );
        assert_eq!(table("fact_transactions")["cast_failures_amount"], 7);
        assert_eq!(table("fact_transactions").get("dq_timestamp_amount"), None);
        assert_eq!(table("dim_date"), json!({ "null_date_rows": 9 }));
        assert_eq!(table("dim_status"), json!({}));
    }
}
