//! The star schema: worked figures, a second computation by DuckDB, crashes, bad input.

mod crash;
mod figures;
mod input;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use workers::job::JobResult;
use workers::jobs::star_schema::{Place, TABLES};
use workers::lake::{Folder, Lake};

use super::support::{parquet_rows, run};

const JOB: &str = "silver-to-gold-star-schema";
const VERIFY: &str = "star-schema-verify";

/// The rows of each table by its name.
type Tables = BTreeMap<&'static str, Vec<Map<String, Value>>>;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn development_data() -> PathBuf {
    repository().join("tests/data/star_schema")
}

/// Loads CSV files of a folder of this machine into `s3://silver/<base>`.
async fn load(lake: &Lake, source: &Path, base: &str) -> JobResult {
    let source = format!("--source={}", source.display());
    let result = run(lake, "star-schema-silver-load", &[&source, &format!("--SILVER_BASE=s3://silver/{base}")]).await;
    assert_eq!(result.code, "OK", "{}", result.message);
    result
}

/// Loads CSV texts; a table that is not given stays as it is.
async fn load_texts(lake: &Lake, base: &str, tables: &[(&str, &str)]) -> JobResult {
    let source = tempfile::tempdir().unwrap();
    for (table, text) in tables {
        std::fs::write(source.path().join(format!("{table}.csv")), text).unwrap();
    }
    load(lake, source.path(), base).await
}

async fn build(lake: &Lake, base: &str, more: &[&str]) -> JobResult {
    let silver = format!("--SILVER_BASE=s3://silver/{base}");
    let places = ["--GOLD_DIM=s3://gold/dim", "--GOLD_FACT=s3://gold/fact", "--GOLD_MART=s3://gold/mart"];
    let line: Vec<&str> = [silver.as_str()].into_iter().chain(places).chain(more.iter().copied()).collect();
    run(lake, JOB, &line).await
}

async fn verify(lake: &Lake) -> JobResult {
    run(lake, VERIFY, &["--GOLD_DIM=s3://gold/dim", "--GOLD_FACT=s3://gold/fact", "--GOLD_MART=s3://gold/mart"]).await
}

fn table(lake: &Lake, name: &str) -> Folder {
    let table = TABLES.iter().find(|table| table.name == name).unwrap();
    let place = match table.place {
        Place::Dimension => "dim",
        Place::Fact => "fact",
        Place::Mart => "mart",
    };
    lake.folder("gold", place).unwrap().child(name)
}

/// All rows of all tables, as a reader finds them.
async fn tables(lake: &Lake) -> Tables {
    let mut found = Tables::new();
    for gold in TABLES {
        found.insert(gold.name, parquet_rows(lake, &table(lake, gold.name)).await);
    }
    found
}

/// The names of the data objects of gold.
async fn gold_objects(lake: &Lake) -> Vec<String> {
    let objects = lake.folder("gold", "").unwrap().data_objects().await.unwrap();
    objects.into_iter().map(|object| object.name).collect()
}
