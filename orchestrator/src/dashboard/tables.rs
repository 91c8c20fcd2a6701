//! The local catalog: tables with their columns and partitions.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use serde_json::Value;

use super::Dashboard;
use super::moment::{Moment, count, size};
use super::page::{Chrome, html};
use super::problem::Problem;
use crate::store::CrawlTable;

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
    crawler: String,
    updated: Moment,
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
    html(&Tables {
        chrome: Chrome::new("Tables", "tables").live("/tables"),
        tables: tables.iter().map(|table| TableView::new(table, now)).collect(),
    })
}

impl TableView {
    fn new(table: &CrawlTable, now: asl::Timestamp) -> Self {
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
            crawler: table.crawler.clone(),
            updated: Moment::ago(table.updated_at, now),
        }
    }
}
