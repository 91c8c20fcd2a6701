//! When each table was written last, by which run, and what that run found out about it: read from the ledger, so that it
//! is there for tables that no crawler has seen.

use std::collections::BTreeMap;

use asl::Timestamp;
use serde::Serialize;

use super::result::{Check, Results, Tally, folder_of};
use crate::store::{LedgerRow, Outcome, Result, Store};

/// Partitions of each pipeline that are looked at.
const PARTITIONS_MAX: u32 = 30;

/// The newest write of a table.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TableWrite {
    /// The table's folder.
    pub location: String,
    /// Its name, after its folder.
    pub table: String,
    /// The pipeline that wrote it.
    pub pipeline: String,
    /// The partition of the run that wrote it last.
    pub partition: String,
    /// That run.
    pub execution_arn: String,
    /// Rows written then.
    pub rows: Option<i64>,
    /// Files written then.
    pub files: Option<i64>,
    /// Bytes written then.
    pub bytes: Option<i64>,
    /// When the run began, ISO 8601, UTC.
    pub at: String,
    /// The same.
    #[serde(skip)]
    pub began_at: Timestamp,
    /// How many checks of the table ended how.
    pub tally: Tally,
    /// Those that did not pass.
    pub checks: Vec<Check>,
    /// Rows by partition, of the partitions looked at, ascending.
    #[schema(value_type = Vec<Object>)]
    pub rows_by_partition: Vec<(String, i64)>,
}

/// The newest write of every table, by location.
pub async fn last_writes(store: &dyn Store) -> Result<Vec<TableWrite>> {
    let mut writes = BTreeMap::new();
    for pipeline in store.pipelines().await? {
        for row in store.ledger_newest(&pipeline.name, PARTITIONS_MAX).await? {
            add(&mut writes, &row);
        }
    }
    let mut writes: Vec<TableWrite> = writes.into_values().collect();
    for write in &mut writes {
        write.rows_by_partition.sort();
        write.rows_by_partition.dedup_by(|a, b| a.0 == b.0);
    }
    Ok(writes)
}

fn add(writes: &mut BTreeMap<String, TableWrite>, row: &LedgerRow) {
    // What a failed run wrote before it failed is there, and its checks are what one wants to see.
    if row.outcome == Outcome::Queued {
        return;
    }
    let results = Results::of_ledger(&row.partition, &row.quality);
    for written in results.tables.iter().filter(|written| !written.quarantined) {
        let (location, _) = folder_of(&written.uri);
        let newest = TableWrite {
            location: location.to_owned(),
            table: written.table.clone(),
            pipeline: row.pipeline.clone(),
            partition: row.partition.clone(),
            execution_arn: row.execution_arn.clone(),
            rows: written.rows,
            files: written.files,
            bytes: written.bytes,
            at: row.started_at.to_string(),
            began_at: row.started_at,
            tally: results.by_table.get(&written.table).copied().unwrap_or_default(),
            checks: results.checks.iter().filter(|check| check.table == written.table).cloned().collect(),
            rows_by_partition: Vec::new(),
        };
        let known = writes.entry(location.to_owned()).or_insert_with(|| newest.clone());
        let mut rows = std::mem::take(&mut known.rows_by_partition);
        rows.extend(written.rows.map(|count| (row.partition.clone(), count)));
        if known.began_at <= newest.began_at {
            *known = newest;
        }
        known.rows_by_partition = rows;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{LedgerChange, MemoryStore};

    async fn row(partition: &str, minute: i64, uri: &str, rows: i64, checks: Value) -> LedgerRow {
        let started_at = Timestamp::from_millis(1_757_052_000_000).plus_seconds(minute * 60);
        let begin = LedgerChange::Begin {
            pipeline: "sales".to_owned(),
            partition: partition.to_owned(),
            execution: uuid::Uuid::nil(),
            execution_arn: "arn".to_owned(),
            at: started_at,
        };
        let store = MemoryStore::default();
        store.change_ledger(&[begin]).await.unwrap();
        let quality = json!({ "load": { "outputs": [{ "uri": uri, "rows": rows }], "checks": checks } });
        LedgerRow { quality, ..store.ledger_newest("sales", 1).await.unwrap().remove(0) }
    }

    #[tokio::test]
    async fn the_newest_run_counts_whatever_its_partition() {
        let mut writes = BTreeMap::new();
        let checks = json!({ "pass": 1, "warn": 1, "fail": 0, "tables": { "fact": { "pass": 1, "warn": 1 } },
            "open": [{ "table": "fact", "check": "nulls", "status": "WARN" }, { "table": "dim", "check": "k", "status": "FAIL" }] });
        add(&mut writes, &row("2024-12-06", 9, "s3://gold/fact/ds=2024-12-06", 5, checks).await);
        add(&mut writes, &row("2024-12-07", 3, "s3://gold/fact/ds=2024-12-07", 7, Value::Null).await);
        add(&mut writes, &row("2024-12-07", 3, "s3://gold/fact/quarantine/ds=2024-12-07", 7, Value::Null).await);
        assert_eq!(writes.len(), 1);
        let fact = &writes["s3://gold/fact"];
        assert_eq!((fact.partition.as_str(), fact.rows, fact.tally.warn), ("2024-12-06", Some(5), 1));
        assert_eq!(fact.checks.iter().map(|check| check.check.as_str()).collect::<Vec<_>>(), ["nulls"]);
        assert_eq!(fact.rows_by_partition.len(), 2);
    }
}
