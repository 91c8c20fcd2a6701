//! Sales files to gold. Source: pipelines.md 2 and 6.3, "System 2".

mod bad_input;
mod compaction;
mod crash;
mod extensions;
mod ingestion;

use serde_json::{Map, Value};
use workers::job::JobResult;
use workers::lake::publish::{WriteSettings, publish_rows};
use workers::lake::{Codec, FileSizing, Lake, Partition, PartitionLock};
use workers::query::Column;

use super::support::{JsonRows, World, development_data, parquet_rows, query, run};

/// The development files by their day.
pub const DAYS: [&str; 5] = ["2024-10-16", "2024-12-07", "2025-06-12", "2025-09-03", "2025-10-18"];
/// The same task's attempts take over each other's locks.
pub const OWNER: &str = "--lock_owner=task-1";

/// A development file.
pub fn sample(day: &str) -> Vec<u8> {
    std::fs::read(development_data("fact_sales").join(format!("sales_{day}.csv"))).unwrap()
}

/// A file with the usual header.
pub fn file(rows: &[&str]) -> String {
    let header = "transaction_id,store_id,timestamp,item_id,item_category,quantity,unit_price,revenue,payment_method,customer_id";
    let mut text = format!("{header}\n");
    for row in rows {
        text += row;
        text.push('\n');
    }
    text
}

/// Puts a file where files arrive.
pub async fn deliver(world: &World, name: &str, bytes: impl Into<Vec<u8>>) {
    world.folder("sales", "raw").put(name, bytes.into()).await.unwrap();
}

pub async fn ingest(lake: &Lake, more: &[&str]) -> JobResult {
    let base = ["--base_path=s3://sales/", OWNER];
    run(lake, "fact-sales-ingestion", &[&base[..], more].concat()).await
}

pub async fn compact(lake: &Lake, more: &[&str]) -> JobResult {
    let base = [
        "--processed_path=s3://sales/processed/",
        "--gold_path",
        "s3://curated/gold/fact_sales/",
        "--audit_path=s3://sales/audit",
        OWNER,
    ];
    run(lake, "gold-fact-sales-compaction", &[&base[..], more].concat()).await
}

/// The objects below a folder of the sales bucket that are no locks.
pub async fn names(world: &World, folder: &str) -> Vec<String> {
    let objects = world.folder("sales", folder).objects().await.unwrap();
    objects.into_iter().map(|object| object.name).filter(|name| !name.starts_with("_locks")).collect()
}

/// The JSON in an object of the sales bucket.
pub async fn json(world: &World, name: &str) -> Value {
    let bytes = world.folder("sales", "").get(name).await.unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_slice(&bytes).unwrap()
}

pub async fn metrics(world: &World, date: &str) -> Value {
    json(world, &format!("audit/gold_compaction/date={date}/metrics.json")).await
}

pub async fn summary(world: &World) -> Value {
    json(world, "audit/gold_compaction/last_run_summary.json").await
}

/// The rows of a gold partition, in the order of the files.
pub async fn gold(world: &World, date: &str) -> JsonRows {
    parquet_rows(&world.lake, &world.folder("curated", &format!("gold/fact_sales/date={date}"))).await
}

/// What happens in gold, without when and by which run.
pub fn sales(rows: &JsonRows) -> JsonRows {
    let without = |row: &Map<String, Value>| {
        let audit = ["ingest_run_id", "ingest_ts"];
        row.iter().filter(|(name, _)| !audit.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
    };
    rows.iter().map(without).collect()
}

/// Texts of a column.
pub fn texts(rows: &JsonRows, column: &str) -> Vec<Option<String>> {
    rows.iter().map(|row| row[column].as_str().map(str::to_owned)).collect()
}

/// Writes the rows of a statement as Parquet into a folder of the processed zone.
pub async fn put_processed(world: &World, folder: &str, sql: &str, columns: &[Column]) {
    put_parquet(world, &format!("processed/{folder}"), sql, columns).await;
}

/// Writes the rows of a statement as Parquet into a folder of the sales bucket.
pub async fn put_parquet(world: &World, folder: &str, sql: &str, columns: &[Column]) {
    let (parent, name) = world.folder("sales", folder).parent().unwrap();
    let partition = Partition::new(parent, &name);
    let lock = PartitionLock::acquire(&partition, "test").await.unwrap();
    let rows = query(&world.lake).stream(sql, &[], columns).await.unwrap_or_else(|error| panic!("{error}"));
    let sizing = FileSizing { target_file_mb: 256, files_max: 1 };
    let settings = WriteSettings { codec: Codec::Snappy, sizing };
    publish_rows(&partition, rows, settings, "test", &lock).await.unwrap();
    lock.release().await.unwrap();
}
