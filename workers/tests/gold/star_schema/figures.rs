//! The development data: figures known beforehand, and every row computed a second time by DuckDB.

use std::process::Command;

use serde_json::{Value, json};
use workers::lake::Lake;

use super::super::support::{World, expect, parquet_rows};
use super::{build, development_data, gold_objects, load, repository, table, tables, verify};

/// Compares all ten tables with DuckDB's, and gives the figures it prints.
async fn compare_with_duckdb(lake: &Lake) -> Value {
    let root = repository();
    let venv = Command::new(root.join("tests/support/venv.sh")).output().unwrap();
    assert!(venv.status.success(), "{}", String::from_utf8_lossy(&venv.stderr));
    let python = std::path::PathBuf::from(String::from_utf8(venv.stdout).unwrap().trim()).join("python");
    let (gold, fetched) = (lake.folder("gold", "").unwrap(), tempfile::tempdir().unwrap());
    let gold = match gold.local_path() {
        Some(path) => path,
        // DuckDB reads files.
        None => {
            for object in gold.objects().await.unwrap() {
                let path = fetched.path().join(&object.name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, gold.get(&object.name).await.unwrap()).unwrap();
            }
            fetched.path().to_owned()
        }
    };
    let script = Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(root.join("tests/support/star_schema.py"))
        .args([development_data(), gold])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&script.stdout).into_owned();
    assert!(script.status.success(), "{said}{}", String::from_utf8_lossy(&script.stderr));
    assert_eq!(said.matches(" rows, good").count(), 10, "{said}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

async fn built() -> (World, workers::job::JobResult) {
    let world = World::new().await;
    load(&world.lake, &development_data(), "star").await;
    let more = [
        "--METRICS_BASE=s3://gold/_metrics",
        "--QUARANTINE_BASE=s3://gold/quarantine",
        "--ds=2025-01-04",
        "--environment=dev",
    ];
    let result = build(&world.lake, "star", &more).await;
    expect(&result, "OK", 0);
    (world, result)
}

#[tokio::test]
async fn every_row_is_the_one_that_duckdb_computes_and_the_figures_are_the_known_ones() {
    let (world, result) = built().await;
    let lake = &world.lake;
    let found = compare_with_duckdb(lake).await;
    assert_eq!(found["rows"], json!({ "events": 405, "users": 67, "transactions": 251 }));
    assert_eq!((&found["austin"], &found["null_event_ids"]), (&json!("Austin"), &json!(2)));
    assert_eq!((&found["events_without_date"], &found["events_without_known_user"]), (&json!(7), &json!(51)));
    assert_eq!(found["dates"], json!(["2024-12-26", "2025-01-04"]));
    assert_eq!((&found["ltv"], &found["revenue"]), (&json!(296050.67), &json!([248, 293599.67])));
    for (date, expected) in [
        ("2024-12-26", json!([30, 36287.74, 18])),
        ("2024-12-27", json!([23, 28277.02, 13])),
        ("2024-12-30", json!([18, 19298.28, 10])),
        ("2025-01-02", json!([36, 43506.06, 17])),
    ] {
        assert_eq!(found["revenue_of_days"][date], expected, "{date}");
    }
    for (date, expected) in
        [("2024-12-26", json!([20, 25, 37])), ("2024-12-29", json!([37, 27, 46])), ("2025-01-04", json!([35, 17, 44]))]
    {
        assert_eq!(found["active_of_days"][date], expected, "{date}");
    }
    for (name, rows) in [
        ("dim_users", 60),
        ("dim_country", 6),
        ("dim_status", 5),
        ("dim_date", 10),
        ("fact_events", 400),
        ("fact_transactions", 250),
        ("fact_user_activity", 417),
        ("daily_revenue", 10),
        ("daily_active_users", 10),
        ("user_ltv", 70),
    ] {
        assert_eq!(parquet_rows(lake, &table(lake, name)).await.len(), rows, "{name}");
        assert_eq!(result.metrics["table_metrics"][name]["total_rows"], rows, "{name}");
    }

    let of_events = &result.metrics["table_metrics"]["fact_events"];
    for (name, expected) in [
        ("rows_quarantined", json!(2)),
        ("duplicates_removed", json!(3)),
        ("null_date_rows", json!(7)),
        ("unknown_user_rows", json!(51)),
        ("cast_failures_ts", json!(4)),
        ("dq_timestamp_ts", json!(4)),
        ("dq_not_null_event_id", json!(0)),
        ("dq_unique_event_id", json!(0)),
        ("null_rate_ts", json!(0.0175)),
    ] {
        assert_eq!(of_events[name], expected, "{name}");
    }
    let of_transactions = &result.metrics["table_metrics"]["fact_transactions"];
    for (name, expected) in [
        ("rows_quarantined", json!(0)),
        ("duplicates_removed", json!(1)),
        ("null_date_rows", json!(2)),
        ("cast_failures_amount", json!(3)),
        ("cast_failures_created_at", json!(2)),
    ] {
        assert_eq!(of_transactions[name], expected, "{name}");
    }
    let quality = result.metrics["quality"].as_array().unwrap();
    assert!(quality.len() >= 10 && quality.iter().all(|check| check["status"] == "PASS"), "{quality:#?}");
    let outputs: u64 = result.outputs.iter().map(|output| output.rows).sum();
    assert_eq!((result.outputs.len(), outputs), (12, 1241), "ten tables, and the quarantine of two");
    assert!(serde_json::to_string(&result).unwrap().len() < 100_000);

    let metrics = lake.folder("gold", "_metrics/ds=2025-01-04").unwrap().get("fact_events.json").await.unwrap();
    let metrics: Value = serde_json::from_slice(&metrics).unwrap();
    assert_eq!((&metrics["metrics"]["total_rows"], &metrics["run_id"]), (&json!(400), &json!(result.run_id)));
    let quarantined = parquet_rows(lake, &lake.folder("gold", "quarantine/events").unwrap()).await;
    let users: Vec<&str> = quarantined.iter().map(|row| row["user_id"].as_str().unwrap()).collect();
    assert_eq!((quarantined[0]["dq_reason"].as_str().unwrap(), users), ("null_event_id", vec!["U050", "U059"]));

    expect(&verify(lake).await, "OK", 0);
}

#[tokio::test]
async fn facts_lie_by_date_with_the_date_in_the_file_or_in_one_folder() {
    let (world, _) = built().await;
    let dated = |objects: &[String]| objects.iter().filter(|name| name.contains("_date=")).count();
    let objects = gold_objects(&world.lake).await;
    // Ten dates and the rows without one, of two facts.
    assert_eq!(dated(&objects), 22, "{objects:#?}");
    for name in ["event_date=2024-12-26", "event_date=__HIVE_DEFAULT_PARTITION__", "tx_date=2025-01-04"] {
        assert!(objects.iter().any(|object| object.contains(name)), "{name}: {objects:#?}");
    }
    let by_date = tables(&world.lake).await;

    expect(&build(&world.lake, "star", &["--partition_facts=false"]).await, "OK", 0);
    let objects = gold_objects(&world.lake).await;
    assert_eq!(dated(&objects), 0, "no date's folder is left: {objects:#?}");
    compare_with_duckdb(&world.lake).await;
    assert_eq!(tables(&world.lake).await, by_date, "the same rows");
}

#[tokio::test]
async fn a_second_run_gives_the_same_rows_and_as_many_files() {
    let (world, first) = built().await;
    let (rows, files) = (tables(&world.lake).await, gold_objects(&world.lake).await.len());
    let second = build(&world.lake, "star", &["--QUARANTINE_BASE=s3://gold/quarantine"]).await;
    expect(&second, "OK", 0);
    assert_eq!((tables(&world.lake).await, gold_objects(&world.lake).await.len()), (rows, files));
    assert_eq!(second.metrics["table_metrics"], first.metrics["table_metrics"]);
}

#[tokio::test]
async fn the_ten_tables_are_in_the_catalog_after_the_switch() {
    let (world, result) = built().await;
    let tables = result.metrics["tables"].as_array().unwrap();
    assert_eq!((tables.len(), &result.metrics["tables_registered"]), (10, &json!(10)));
    for (name, rows, keys, partitions) in [
        ("dim_users", 60, json!([]), 1),
        ("fact_events", 400, json!(["event_date"]), 11),
        ("user_ltv", 70, json!([]), 1),
    ] {
        let told = tables.iter().find(|table| table["name"] == name).unwrap();
        assert_eq!(
            (&told["database"], told["location"].as_str().unwrap()),
            (&json!("dev_star_schema"), &*format!("{}/", table(&world.lake, name).uri()))
        );
        let of = |field: &str| told[field].as_array().unwrap().clone();
        let names: Vec<Value> = of("partition_keys").iter().map(|key| key["name"].clone()).collect();
        assert_eq!(json!(names), keys, "{name}");
        assert_eq!(of("partitions").len(), partitions, "{name}");
        let sum: u64 = of("partitions").iter().map(|partition| partition["rows"].as_u64().unwrap()).sum();
        assert_eq!(sum, rows, "{name}");
    }
    let events = tables.iter().find(|table| table["name"] == "fact_events").unwrap();
    assert_eq!(events["columns"].as_array().unwrap().len(), 7, "the date is a partition key: {events}");
    assert_eq!(events["partitions"][10]["values"], json!(["__HIVE_DEFAULT_PARTITION__"]), "events without a date");

    let whole = build(&world.lake, "star", &["--partition_facts=false", "--catalog_database=shop"]).await;
    let events =
        whole.metrics["tables"].as_array().unwrap().iter().find(|table| table["name"] == "fact_events").unwrap();
    assert_eq!((&events["database"], &events["partition_keys"]), (&json!("shop"), &json!([])));
    assert_eq!(events["columns"].as_array().unwrap().len(), 8);
}
