//! The crawler: looks at the curated tables and registers their schema and partitions, as a Glue crawler does.
//!
//! A table is a folder `<domain>/<table>` of the curated bucket with children `ds=…` or of another key; `compacted`,
//! `quarantine` and whatever is hidden are not its data. The schema is that of the newest complete partition, the
//! figures are those of each `_SUCCESS`. Nothing is written to the lake; the catalog is told what was found.
//!
//! Source: pipelines.md 1.9.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use polars::prelude::{DataFrame, ParquetReader, Schema, SchemaExt, SerReader};

use crate::catalog::{Catalog, CatalogColumn, CatalogPartition, TableDescription, TableFormat};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::{Codec, Fingerprint, Folder, Object, SUCCESS_NAME, Success, hive_name, hive_value, is_data};

/// The job `curated-data-crawler`.
pub const CRAWLER: JobDefinition = JobDefinition {
    name: "curated-data-crawler",
    summary: "Finds the curated tables, their schemas and partitions, for the catalog.",
    arguments: &["bucket", "database", "table_prefix", "targets", "environment"],
    run: start,
};

/// `_SUCCESS` objects fetched at once.
const FETCHES_AT_ONCE: usize = 16;
/// A footer is at the end of a file and rarely larger.
const FOOTER_BYTES: u64 = 1 << 20;

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    crawl(context).boxed()
}

/// A table that was found.
struct Found {
    domain: String,
    name: String,
    location: String,
    columns: Vec<CatalogColumn>,
    /// What the partitions are told apart by.
    key: String,
    /// Ascending by value.
    partitions: Vec<CatalogPartition>,
}

async fn crawl(context: &JobContext) -> Result<Finish, JobError> {
    let settings = |argument: &str, variable: &str| {
        let given = context.arguments.optional(argument).map(str::to_owned);
        given.or_else(|| std::env::var(variable).ok().filter(|value| !value.trim().is_empty()))
    };
    let bucket = settings("bucket", "CURATED_BUCKET").ok_or_else(|| {
        JobError::arguments("no bucket is configured: give --bucket, or set CURATED_BUCKET for the worker")
    })?;
    let environment = settings("environment", "ENVIRONMENT").unwrap_or_else(|| "dev".to_owned());
    let database =
        context.arguments.optional("database").map_or_else(|| format!("{environment}_data_platform"), str::to_owned);
    let prefix = context.arguments.text("table_prefix", "curated_").to_owned();
    let root = context.lake.folder(&bucket, "")?;
    let targets = match settings("targets", "CRAWLER_TARGETS") {
        Some(list) => parse_targets(&list)?,
        None => discover(&root).await?,
    };
    let mut tables = Vec::new();
    for (domain, table) in targets {
        tables.extend(look(&root, domain, table).await?);
    }
    let count = tables.len();
    let partitions: usize = tables.iter().map(|table| table.partitions.len()).sum();
    context.metric("partitions", partitions);
    // There whether tables were found or not: nothing found is a result, too.
    context.metric("tables", Vec::<String>::new());
    let catalog = Catalog::from_env().await?;
    for table in described(tables, &database, &prefix) {
        catalog.register(context, &table).await?;
    }
    Ok(Finish::succeeded(format!("found {count} table(s) with {partitions} partition(s) in `{}`", root.uri())))
}

/// `market/prices,market/indicators`.
fn parse_targets(list: &str) -> Result<Vec<(String, String)>, JobError> {
    let target = |text: &str| match text.trim().trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        [domain, table] if !domain.is_empty() && !table.is_empty() => Ok(((*domain).to_owned(), (*table).to_owned())),
        _ => Err(JobError::arguments(format!("--targets holds `{text}`; write <domain>/<table>, separated by commas"))),
    };
    list.split(',').map(target).collect()
}

/// Every `<domain>/<table>` of the bucket.
async fn discover(root: &Folder) -> Result<Vec<(String, String)>, JobError> {
    let shown = |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with(['_', '.']));
    let mut targets = Vec::new();
    for domain in shown(root.folders().await?) {
        let tables = root.child(&domain).folders().await?;
        targets.extend(shown(tables).map(|table| (domain.clone(), table)));
    }
    Ok(targets)
}

/// The table of a folder; `None` if it has no complete partition.
async fn look(root: &Folder, domain: String, table: String) -> Result<Option<Found>, JobError> {
    let folder = root.child(&domain).child(&table);
    let mut by_day: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    let mut key: Option<String> = None;
    for object in folder.objects().await? {
        // The first key there is; a table has one.
        if let Some((first, rest)) = object.name.split_once('/')
            && let Some((found, _)) = first.split_once('=')
            && !found.starts_with(['_', '.'])
            && let Some(Some(day)) = hive_value(first, key.get_or_insert_with(|| found.to_owned()))
        {
            let object = Object { name: rest.to_owned(), size_bytes: object.size_bytes };
            by_day.entry(day).or_default().push(object);
        }
    }
    let Some(key) = key else { return Ok(None) };
    let published = by_day.values().flatten().any(|object| object.name == SUCCESS_NAME);
    let days: Vec<Day> = futures::stream::iter(by_day)
        .map(|(day, objects)| Day::read(&folder, &key, day, objects, published))
        .buffered(FETCHES_AT_ONCE)
        .try_collect::<Vec<Option<Day>>>()
        .await?
        .into_iter()
        .flatten()
        .collect();
    let Some(newest) = days.iter().rev().find(|day| !day.files.is_empty()) else { return Ok(None) };
    let columns = columns(&folder.child(&hive_name(&key, Some(&newest.value))), newest).await?;
    tracing::info!("Found `{}` with {} partition(s)", folder.uri(), days.len());
    Ok(Some(Found {
        domain,
        name: table,
        location: folder.uri(),
        columns,
        key,
        partitions: days.iter().map(Day::described).collect(),
    }))
}

/// A complete partition.
struct Day {
    value: String,
    rows: Option<u64>,
    /// (name, bytes).
    files: Vec<(String, u64)>,
}

impl Day {
    /// `None` if it is not complete: a crashed attempt in a table whose complete partitions have a `_SUCCESS`.
    async fn read(
        table: &Folder,
        key: &str,
        value: String,
        objects: Vec<Object>,
        published: bool,
    ) -> Result<Option<Self>, JobError> {
        if objects.iter().any(|object| object.name == SUCCESS_NAME) {
            let bytes =
                table.child(&hive_name(key, Some(&value))).get_optional(SUCCESS_NAME).await?.unwrap_or_default();
            if let Ok(success) = serde_json::from_slice::<Success>(&bytes) {
                let files = success.files.into_iter().map(|file| (file.name, file.bytes)).collect();
                return Ok(Some(Self { value, rows: success.rows, files }));
            }
        } else if published {
            return Ok(None);
        }
        let data = objects.into_iter().filter(|object| is_data(&object.name, object.size_bytes));
        let files: Vec<_> = data.map(|object| (object.name, object.size_bytes)).collect();
        Ok(Some(Self { value, rows: None, files }).filter(|day| !day.files.is_empty()))
    }

    fn described(&self) -> CatalogPartition {
        CatalogPartition {
            values: vec![self.value.clone()],
            location: None,
            rows: self.rows,
            bytes: self.files.iter().map(|(_, bytes)| bytes).sum(),
            files: self.files.len() as u64,
        }
    }
}

/// The columns of the first file of a partition, from its footer.
async fn columns(partition: &Folder, day: &Day) -> Result<Vec<CatalogColumn>, JobError> {
    let (name, size_bytes) = &day.files[0];
    let unreadable = |why: String| {
        let uri = partition.uri_of(name);
        JobError::new(Code::CatalogFailed, format!("the schema of `{uri}` cannot be read: {why}; reprocess the day"))
    };
    let tail = partition.get_range(name, size_bytes.saturating_sub(FOOTER_BYTES)..*size_bytes).await?;
    let schema = |bytes: bytes::Bytes| {
        let schema = ParquetReader::new(Cursor::new(bytes)).schema()?;
        polars::error::PolarsResult::Ok(Schema::from_arrow_schema(&schema))
    };
    let schema = match schema(tail) {
        Ok(schema) => schema,
        // A footer larger than expected: the whole file then.
        Err(_) if *size_bytes > FOOTER_BYTES => {
            schema(partition.get(name).await?).map_err(|error| unreadable(error.to_string()))?
        }
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let fingerprint = Fingerprint::of(&DataFrame::empty_with_schema(&schema), Codec::Zstd).map_err(unreadable)?;
    Ok(fingerprint.columns.into_iter().map(|column| CatalogColumn::new(column.name, column.kind)).collect())
}

/// Tables as the catalog takes them. Two domains may have a table of the same name: their names then tell the domain.
fn described(tables: Vec<Found>, database: &str, prefix: &str) -> Vec<TableDescription> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<String> =
        tables.iter().filter(|table| !seen.insert(table.name.clone())).map(|table| table.name.clone()).collect();
    let described = tables.into_iter().map(|table| {
        let name = if twice.contains(&table.name) { format!("{}_{}", table.domain, table.name) } else { table.name };
        TableDescription {
            database: database.to_lowercase(),
            name: format!("{prefix}{name}").to_lowercase(),
            location: table.location,
            columns: table.columns,
            partition_keys: vec![CatalogColumn::new(table.key, "string")],
            partitions: table.partitions,
            format: TableFormat::Parquet,
        }
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;
    use serde_json::{Value, json};

    use super::*;
    use crate::job::{JobStatus, run_job_on};
    use crate::lake::{Lake, encode_parquet};

    async fn put_day(folder: &Folder, ds: &str, success: bool) -> u64 {
        let frame = df!("symbol" => ["A", "B"], "close" => [1.0, 2.0]).unwrap();
        let file = encode_parquet("test", &frame, Codec::Zstd).unwrap();
        let bytes = file.len() as u64;
        let day = folder.child(&format!("ds={ds}"));
        day.put("part-00000-ab.parquet", file).await.unwrap();
        if success {
            let success = json!({ "run_id": "r", "written_at": "t", "rows": 2, "files": [{ "name": "part-00000-ab.parquet", "rows": 2, "bytes": bytes }] });
            day.put(SUCCESS_NAME, success.to_string()).await.unwrap();
        }
        bytes
    }

    async fn crawl(lake: &Lake, line: &[&str]) -> (JobStatus, String, Value) {
        let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
        let result = run_job_on(lake.clone(), "curated-data-crawler", &line).await;
        let tables = result.metrics.get("tables").cloned().unwrap_or_default();
        (result.status, result.message, tables)
    }

    fn lake() -> (tempfile::TempDir, Lake) {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        (place, lake)
    }

    #[tokio::test]
    async fn tables_are_found_with_schema_and_complete_partitions() {
        let (_place, lake) = lake();
        let prices = lake.folder("curated", "market/prices").unwrap();
        let bytes = put_day(&prices, "2024-12-05", true).await;
        put_day(&prices, "2024-12-06", true).await;
        put_day(&prices, "2024-12-07", false).await;
        put_day(&prices.child("quarantine"), "2024-12-06", true).await;
        put_day(&prices.child("compacted"), "2024-12-06", true).await;
        put_day(&lake.folder("curated", "legacy/orders").unwrap(), "2024-12-06", false).await;
        lake.folder("curated", "market/_hidden").unwrap().put("x", "y").await.unwrap();
        let (status, message, tables) = crawl(&lake, &["--bucket", "curated", "--environment", "prod"]).await;
        assert_eq!(status, JobStatus::Succeeded, "{message}");
        let names: Vec<&str> = tables.as_array().unwrap().iter().map(|table| table["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["curated_orders", "curated_prices"]);
        let (orders, prices) = (&tables[0], &tables[1]);
        assert_eq!(prices["database"], "prod_data_platform");
        assert_eq!(
            prices["columns"],
            json!([{ "name": "symbol", "type": "string" }, { "name": "close", "type": "double" }])
        );
        let day = |ds: &str, rows: Value| json!({ "values": [ds], "rows": rows, "bytes": bytes, "files": 1 });
        assert_eq!(prices["partitions"], json!([day("2024-12-05", json!(2)), day("2024-12-06", json!(2))]));
        assert_eq!(
            orders["partitions"],
            json!([day("2024-12-06", Value::Null)]),
            "put there by others: complete as it is"
        );
        assert!(prices["location"].as_str().unwrap().ends_with("/curated/market/prices/"));
    }

    #[tokio::test]
    async fn only_targets_are_crawled_and_bad_ones_are_refused() {
        let (_place, lake) = lake();
        for table in ["market/prices", "market/indicators"] {
            put_day(&lake.folder("curated", table).unwrap(), "2024-12-06", true).await;
        }
        let (_, _, tables) = crawl(&lake, &["--bucket", "curated", "--targets", "market/prices, market/none"]).await;
        assert_eq!((tables.as_array().unwrap().len(), &tables[0]["name"]), (1, &json!("curated_prices")));
        let (status, message, _) = crawl(&lake, &["--bucket", "curated", "--targets", "prices"]).await;
        assert_eq!((status, message.contains("<domain>/<table>")), (JobStatus::Failed, true), "{message}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_parquet_fails_with_its_name() {
        let (_place, lake) = lake();
        let prices = lake.folder("curated", "market/prices").unwrap();
        prices.put("ds=2024-12-06/part-00000-ab.parquet", "no parquet").await.unwrap();
        let (status, message, _) = crawl(&lake, &["--bucket", "curated"]).await;
        assert_eq!(status, JobStatus::Failed);
        assert!(message.contains("ds=2024-12-06/part-00000-ab.parquet"), "{message}");
    }

    #[tokio::test]
    async fn a_table_may_have_another_partition_key() {
        let (_place, lake) = lake();
        let sales = lake.folder("curated", "gold/fact_sales").unwrap();
        put_day(&sales, "2024-12-06", true).await;
        let from = sales.child("ds=2024-12-06");
        for name in ["part-00000-ab.parquet", SUCCESS_NAME] {
            sales.child("date=2024-12-06").put(name, from.get(name).await.unwrap()).await.unwrap();
            from.delete(name).await.unwrap();
        }
        let (_, message, tables) = crawl(&lake, &["--bucket", "curated"]).await;
        assert_eq!(tables[0]["partition_keys"], json!([{ "name": "date", "type": "string" }]), "{message}");
        assert_eq!(tables[0]["partitions"][0]["values"], json!(["2024-12-06"]), "{tables:#}");
    }

    #[test]
    fn tables_of_one_name_tell_their_domain() {
        let table = |domain: &str, name: &str| Found {
            domain: domain.to_owned(),
            name: name.to_owned(),
            location: String::new(),
            columns: Vec::new(),
            key: "ds".to_owned(),
            partitions: Vec::new(),
        };
        let tables = described(vec![table("a", "x"), table("b", "x"), table("b", "y")], "db", "curated_");
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["curated_a_x", "curated_b_x", "curated_y"]);
    }
}
