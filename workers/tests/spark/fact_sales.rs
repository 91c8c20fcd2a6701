//! The compaction of fact_sales.

use workers::lake::publish::{WriteSettings, publish_rows};
use workers::lake::{Codec, FileSizing, Lake, Partition, PartitionLock};
use workers::query::{Column, Kind, column};

use super::support::{parquet_objects, parquet_rows};
use super::{Engine, SparkServer, Table, World, development_data, expect, query, run};

const DATE: &str = "2024-12-07";
/// What the audit says that is not about the run itself.
const AUDITED: [&str; 10] = [
    "status",
    "total_rows_in_source_partition",
    "rows_after_dedup",
    "duplicate_rows_removed",
    "numeric_parse_failures",
    "missing_columns",
    "null_store",
    "null_timestamp",
    "dq_balance_issues",
    "rows_outside_date",
];

/// Compacts into a gold table of the engine's own; the table of each date, and its audit.
async fn compacted(
    lake: &Lake,
    engine: Engine<'_>,
    dates: &[&str],
    more: &[&str],
) -> Vec<(Table, Vec<serde_json::Value>)> {
    let name = if engine.is_some() { "spark" } else { "here" };
    let gold = format!("--gold_path=s3://curated/{name}/fact_sales/");
    let audit = format!("--audit_path=s3://sales/audit/{name}");
    let base = ["--processed_path=s3://sales/processed/", &gold, &audit];
    expect(&run(lake, engine, "gold-fact-sales-compaction", &[&base[..], more].concat()).await, "OK", 0);
    let mut all = Vec::new();
    for date in dates {
        let folder = lake.folder("curated", &format!("{name}/fact_sales/date={date}")).unwrap();
        let names = parquet_objects(&folder).await;
        let query = query(lake, None);
        query.parquet("t", &folder, &names, None).await.unwrap();
        // As they lie in the files: their order is part of the contract.
        let rows = parquet_rows(lake, &folder).await;
        let path = format!("audit/{name}/gold_compaction/date={date}/metrics.json");
        let audit = lake.folder("sales", "").unwrap().get(&path).await.unwrap();
        let audit: serde_json::Value = serde_json::from_slice(&audit).unwrap();
        let audit = AUDITED.map(|name| audit[name].clone()).to_vec();
        all.push((Table { columns: query.columns("t").await.unwrap(), rows }, audit));
    }
    all
}

async fn compare(world: &World, spark: &SparkServer, dates: &[&str], more: &[&str]) -> Vec<usize> {
    let ours = compacted(&world.lake, None, dates, more).await;
    let theirs = compacted(&world.lake, Some(spark), dates, more).await;
    for (date, (ours, theirs)) in dates.iter().zip(ours.iter().zip(&theirs)) {
        assert!(!ours.0.rows.is_empty(), "{date} has rows");
        assert_eq!(theirs.0.columns, ours.0.columns, "{date}");
        for (ours, theirs) in ours.0.rows.iter().zip(&theirs.0.rows) {
            assert_eq!(theirs, ours, "{date}");
        }
        assert_eq!(theirs.0.rows.len(), ours.0.rows.len(), "{date}");
        assert_eq!(theirs.1, ours.1, "{date}: {AUDITED:?}");
    }
    theirs.iter().map(|(table, _)| table.rows.len()).collect()
}

/// Writes the rows of a statement as Parquet into a folder of the processed zone.
async fn put(world: &World, folder: &str, sql: &str, columns: &[Column]) {
    let (parent, name) = world.folder("sales", &format!("processed/{folder}")).parent().unwrap();
    let partition = Partition::new(parent, &name);
    let lock = PartitionLock::acquire(&partition, "test").await.unwrap();
    let rows = query(&world.lake, None).stream(sql, &[], columns).await.unwrap_or_else(|error| panic!("{error}"));
    let settings = WriteSettings { codec: Codec::Snappy, sizing: FileSizing { target_file_mb: 256, files_max: 1 } };
    publish_rows(&partition, rows, settings, "test", &lock).await.unwrap();
    lock.release().await.unwrap();
}

fn columns(number: Kind) -> Vec<Column> {
    vec![
        column("transaction_id", Kind::Text),
        column("store_id", Kind::Text),
        column("timestamp", Kind::Timestamp),
        column("item_id", Kind::Text),
        column("quantity", number),
        column("unit_price", if number == Kind::Text { Kind::Text } else { Kind::Float64 }),
        column("revenue", if number == Kind::Text { Kind::Text } else { Kind::Float64 }),
        column("source_file", Kind::Text),
        column("ingest_ts", Kind::Timestamp),
    ]
}

fn rows(values: &str) -> String {
    format!(
        "select tx as transaction_id, s as store_id, sw_parse_ts('{DATE}T10:00:00.5Z') as timestamp, 'I1' as item_id, \
         q as quantity, p as unit_price, r as revenue, f as source_file, sw_parse_ts(at) as ingest_ts \
         from (values {values}) as t(tx, s, q, p, r, f, at)"
    )
}

/// Files that differ in columns and types, duplicates that every rule decides, rows without an id, odd numbers.
async fn small() -> World {
    let world = World::new().await;
    let day = format!("date={DATE}");
    let numbers = "('T1', 'S1', 3, 5.0, 15.0, 'a', '2024-12-08'), ('T1', 'S1', 4, 5.0, 20.0, 'z', '2024-12-09'), \
        ('T2', 'S2', 1, 0.1, 0.1, 'a', cast(null as string)), ('T2', 'S2', 2, 0.1, 0.2, 'z', '2024-12-09'), \
        ('T3', 'it''s \\ {x}', 1, 1.0, 1.0, 'a', '2024-12-08'), ('T3', 'S3', 1, 1.0, 1.0, 'b', '2024-12-08'), \
        (cast(null as string), 'S1', 1, 1.0, 1.0, 'a', '2024-12-08'), (cast(null as string), 'S1', 1, 1.0, 1.0, 'b', '2024-12-08'), \
        ('  ', '', 5, 12345.678, 99.0, 'a', '2024-12-08')";
    put(&world, &format!("numbers/{day}"), &rows(numbers), &columns(Kind::Int64)).await;
    let texts = "('T5', 'S1', '3.0', '$1,413.15 ', ' 4,239.45', 'b', '2024-12-08'), \
        ('T6', 'S1', '1.5', '(12.30)', '1.5E7', 'b', '2024-12-08'), ('T7', 'S9', 'three', 'N/A', '', 'b', '2024-12-08'), \
        ('T8', 'S1', '0', '(0)', '-0.0', 'b', '2024-12-08')";
    put(&world, &format!("texts/deep/{day}"), &rows(texts), &columns(Kind::Text)).await;
    let one = [column("transaction_id", Kind::Text), column("raw_row", Kind::Text)];
    put(&world, &day, "select ' T9 ' as transaction_id, 'x' as raw_row", &one).await;
    world
}

#[tokio::test]
async fn files_of_many_kinds_make_the_same_gold_partition_on_both_engines() {
    let spark = SparkServer::start();
    let world = small().await;
    assert_eq!(compare(&world, &spark, &[DATE], &[]).await, [11]);
    // And again, over what is there.
    assert_eq!(compare(&world, &spark, &[DATE], &["--reprocess=true"]).await, [11]);
}

#[tokio::test]
async fn a_dimension_with_versions_is_joined_alike() {
    let spark = SparkServer::start();
    let world = small().await;
    let stores = "id,city,since,until\n S1 ,Berlin,2001-01-01,2024-12-07T10:00:00\nS1,Aachen,2024-12-07 10:00,\n\
                  S2,,2002-01-01,\nS1,Bonn,2001-01-01,\n,Nowhere,2004-01-01,\n";
    world.folder("sales", "dimensions").put("stores.csv", stores).await.unwrap();
    let line = [
        "--dimension_path=s3://sales/dimensions/stores.csv",
        "--dimension_key=store_id=id",
        "--dimension_columns=city",
        "--dimension_valid_from=since",
        "--dimension_valid_to=until",
    ];
    assert_eq!(compare(&world, &spark, &[DATE], &line).await, [11]);
}

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn the_development_data_make_the_same_gold_partitions_on_both_engines() {
    let spark = SparkServer::start();
    let world = World::new().await;
    let days = ["2024-10-16", "2024-12-07", "2025-06-12", "2025-09-03", "2025-10-18"];
    for day in days {
        let file = std::fs::read(development_data("fact_sales").join(format!("sales_{day}.csv"))).unwrap();
        world.folder("sales", "raw").put(&format!("{day}.csv"), file).await.unwrap();
    }
    let ingested = run(&world.lake, None, "fact-sales-ingestion", &["--base_path=s3://sales/"]).await;
    expect(&ingested, "OK", 0);
    let dates: Vec<String> = world.folder("sales", "processed").folders().await.unwrap();
    let dates: Vec<&str> = dates.iter().filter_map(|name| name.strip_prefix("date=")).collect();
    assert!(!dates.is_empty(), "the processed zone is filed by date");
    let began = std::time::Instant::now();
    let rows = compare(&world, &spark, &dates, &["--max_partitions=1000"]).await;
    eprintln!(
        "fact_sales: {} rows in {} partitions, equal; both engines ({}) took {:.1} s",
        rows.iter().sum::<usize>(),
        dates.len(),
        spark.remote,
        began.elapsed().as_secs_f64()
    );
}
