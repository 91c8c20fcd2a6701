//! Tables: those of the local catalog with their columns and partitions, and those that only the ledger knows; each with
//! the newest run that wrote it and what its quality checks came to.

use askama::Template;
use asl::Timestamp;
use axum::extract::State;
use axum::response::Html;
use serde_json::Value;

use super::Dashboard;
use super::moment::{Moment, count, size};
use super::page::{Chrome, execution_path, html, pipeline_path};
use super::problem::Problem;
use super::results::{ResultsView, TallyView};
use crate::pipeline::{Results, TableWrite, last_writes};
use crate::store::CrawlTable;

/// Height of the bars of rows, pixels.
const SPARK_PX: f64 = 18.0;
/// Partitions of a table that are listed.
const PARTITIONS_MAX: usize = 20;

/// The page.
#[derive(Debug, Template)]
#[template(path = "tables.html")]
pub struct Tables {
    chrome: Chrome,
    tables: Vec<TableView>,
}

#[derive(Debug)]
struct TableView {
    name: String,
    key: String,
    location: String,
    columns: Vec<(String, String, bool)>,
    partitions: Vec<PartitionView>,
    partition_count: usize,
    rows: String,
    bytes: String,
    /// Who found it and when; `None` if no crawler has.
    found: Option<(String, Moment)>,
    last: Option<LastWrite>,
}

/// The newest run that wrote a table.
#[derive(Debug)]
struct LastWrite {
    partition: String,
    href: String,
    rows: String,
    when: Moment,
    pipeline: String,
    pipeline_href: String,
    tally: TallyView,
    checks: Option<ResultsView>,
    /// Rows by partition as bars: pixels from the top, pixels, text.
    spark: Vec<(f64, f64, String)>,
}

#[derive(Debug)]
struct PartitionView {
    values: String,
    rows: String,
    bytes: String,
    files: String,
}

/// `GET /tables`.
pub async fn show(State(dashboard): State<Dashboard>) -> Result<Html<String>, Problem> {
    let now = dashboard.store.now().await?;
    let tables = dashboard.store.tables().await?;
    let mut writes = last_writes(&*dashboard.store).await?;
    let mut views: Vec<TableView> = Vec::new();
    for table in &tables {
        let at = writes.iter().position(|write| write.location == table.location.trim_end_matches('/'));
        views.push(TableView::new(table, at.map(|at| writes.swap_remove(at)).as_ref(), now));
    }
    writes.sort_by(|a, b| a.location.cmp(&b.location));
    views.extend(writes.iter().map(|write| TableView::of_write(write, now)));
    html(&Tables { chrome: Chrome::new("Tables", "tables").live("/tables"), tables: views })
}

impl TableView {
    fn new(table: &CrawlTable, last: Option<&TableWrite>, now: Timestamp) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut partitions = list(&table.partitions);
        let sum = |field: &str| partitions.iter().filter_map(|partition| partition.get(field)?.as_i64()).sum::<i64>();
        let (rows, bytes) = (count(sum("rows")), size(sum("bytes")));
        let values = |partition: &Value| {
            let values = partition.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
            values
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(" / ")
        };
        partitions.sort_by_key(|partition| std::cmp::Reverse(values(partition)));
        let figure = |partition: &Value, field: &str, show: fn(i64) -> String| {
            partition.get(field).and_then(Value::as_i64).map_or_else(|| "—".to_owned(), show)
        };
        let column = |key: bool| {
            move |column: Value| {
                let text = |field: &str| column.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                (text("name"), text("type"), key)
            }
        };
        let columns = list(&table.columns).into_iter().map(column(false));
        Self {
            name: format!("{}.{}", table.database, table.name),
            key: format!("{}-{}", table.database, table.name),
            location: table.location.clone(),
            columns: columns.chain(list(&table.partition_keys).into_iter().map(column(true))).collect(),
            partition_count: partitions.len(),
            partitions: partitions
                .iter()
                .take(PARTITIONS_MAX)
                .map(|partition| PartitionView {
                    values: values(partition),
                    rows: figure(partition, "rows", count),
                    bytes: figure(partition, "bytes", size),
                    files: figure(partition, "files", count),
                })
                .collect(),
            rows,
            bytes,
            found: Some((table.crawler.clone(), Moment::ago(table.updated_at, now))),
            last: last.map(|last| LastWrite::new(last, now)),
        }
    }

    /// A table that no crawler has seen.
    fn of_write(write: &TableWrite, now: Timestamp) -> Self {
        Self {
            name: match write.location.rsplit('/').nth(1).filter(|folder| !folder.is_empty()) {
                Some(folder) if !write.table.contains(' ') => format!("{folder}.{}", write.table),
                _ => write.table.clone(),
            },
            key: write.location.clone(),
            location: write.location.clone(),
            columns: Vec::new(),
            partitions: Vec::new(),
            partition_count: 0,
            rows: String::new(),
            bytes: String::new(),
            found: None,
            last: Some(LastWrite::new(write, now)),
        }
    }
}

impl LastWrite {
    fn new(write: &TableWrite, now: Timestamp) -> Self {
        let checks = Results { checks: write.checks.clone(), tally: write.tally, ..Results::default() };
        let most = write.rows_by_partition.iter().map(|(_, rows)| *rows).max().unwrap_or(0).max(1);
        let bar = |(partition, rows): &(String, i64)| {
            let height = (*rows as f64 / most as f64 * SPARK_PX).max(if *rows > 0 { 1.0 } else { 0.0 });
            (SPARK_PX - height, height, format!("{partition}: {} rows", count(*rows)))
        };
        Self {
            partition: write.partition.clone(),
            href: execution_path(&write.execution_arn),
            rows: write.rows.map_or_else(|| "—".to_owned(), count),
            when: Moment::ago(write.began_at, now),
            pipeline: write.pipeline.clone(),
            pipeline_href: pipeline_path(&write.pipeline),
            tally: TallyView::new(write.tally),
            checks: ResultsView::new(&write.location, &checks).filter(|_| !write.checks.is_empty()),
            spark: if write.rows_by_partition.len() > 1 {
                write.rows_by_partition.iter().map(bar).collect()
            } else {
                Vec::new()
            },
        }
    }
}
