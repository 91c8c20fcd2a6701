//! Input as it comes: missing, empty, void, typed, duplicated, without keys.

use polars::prelude::{DataFrame, DataType, TimeUnit, df};
use serde_json::{Value, json};
use workers::lake::{Codec, Lake, encode_parquet};

use super::super::bomb::{gzip, gzip_of_a_long_line, parquet_bombs, within_mib};
use super::super::support::{MIB, World, expect, parquet_rows, refused_with_32_mib};
use super::{build, gold_objects, load_texts, run, table};

const EVENTS: &str = "event_id,user_id,ts,country\nE1,U1,2024-12-26 10:00:00,PE\n";
const USERS: &str = "user_id,name,city,updated_at\nU1,One,Lima,2024-01-01\n";
const TRANSACTIONS: &str = "tx_id,user_id,amount,status,created_at\nT1,U1,10.50,delivered,2024-12-26\n";

async fn world(tables: &[(&str, &str)]) -> World {
    let world = World::new().await;
    load_texts(&world.lake, "star", tables).await;
    world
}

async fn put(lake: &Lake, table: &str, frame: DataFrame) {
    let bytes = encode_parquet("test", &frame, Codec::Snappy).unwrap();
    let folder = lake.folder("silver", &format!("star/{table}")).unwrap();
    folder.put("event_date=2024-12-26/part-00000-aa.parquet", bytes).await.unwrap();
}

async fn column(lake: &Lake, name: &str, column: &str) -> Vec<Value> {
    parquet_rows(lake, &table(lake, name))
        .await
        .into_iter()
        .map(|mut row| row.remove(column).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn a_missing_or_empty_table_fails_the_run_before_anything_is_written() {
    let all = [("events", EVENTS), ("users", USERS), ("transactions", TRANSACTIONS)];
    let headers = [("events", "event_id,ts\n"), ("users", "user_id\n"), ("transactions", "tx_id\n")];
    for (at, name) in ["events", "users", "transactions"].into_iter().enumerate() {
        let without: Vec<_> = all.iter().filter(|(table, _)| *table != name).copied().collect();
        let mut empty = all;
        empty[at] = headers[at];
        for tables in [without, empty.to_vec()] {
            let world = world(&tables).await;
            let result = build(&world.lake, "star", &[]).await;
            expect(&result, "SILVER_INPUT_MISSING", 1);
            assert!(result.message.starts_with(&format!("SILVER_INPUT_MISSING: {name} in")), "{}", result.message);
            assert_eq!(gold_objects(&world.lake).await, Vec::<String>::new());
        }
    }
    let nothing = World::new().await;
    let result = build(&nothing.lake, "star", &[]).await;
    assert!(result.message.starts_with("SILVER_INPUT_MISSING: events, users, transactions in"), "{}", result.message);
}

#[tokio::test]
async fn null_event_ids_above_the_rate_fail_the_run_and_gold_stays() {
    let good = world(&[("events", EVENTS), ("users", USERS), ("transactions", TRANSACTIONS)]).await;
    expect(&build(&good.lake, "star", &[]).await, "OK", 0);
    let before = gold_objects(&good.lake).await;
    let rows: String = (1..=19).map(|n| format!("E{n},U1,2024-12-26,PE\n")).collect();
    // 1 of 20 is 5 %, the limit; 2 of 21 are above it.
    for (blanks, code, exit_status) in [(2, "DQ_FAILED", 1), (1, "OK", 0)] {
        let events = format!("event_id,user_id,ts,country\n{rows}{}", " ,U1,2024-12-26,PE\n".repeat(blanks));
        load_texts(&good.lake, "star", &[("events", &events)]).await;
        let result = build(&good.lake, "star", &["--QUARANTINE_BASE=s3://gold/quarantine"]).await;
        expect(&result, code, exit_status);
        if code == "DQ_FAILED" {
            assert!(result.message.contains("2 of 21 events have no event_id (9.52%"), "{}", result.message);
            assert_eq!(gold_objects(&good.lake).await, before, "nothing was written");
        }
    }
    // Above the default, allowed by whoever runs it.
    let events = format!("event_id,user_id,ts\n{}E1,U1,2024-12-26\n", ",U1,2024-12-26\n".repeat(9));
    load_texts(&good.lake, "star", &[("events", &events)]).await;
    expect(&build(&good.lake, "star", &["--max_null_event_id_rate", "0.9"]).await, "OK", 0);
    assert_eq!(column(&good.lake, "fact_events", "event_id").await, [json!("E1")]);
}

#[tokio::test]
async fn absent_and_void_columns_are_null_and_typed_ones_are_read() {
    let world = World::new().await;
    load_texts(&world.lake, "star", &[("users", USERS)]).await;
    // No user_id, no country; `ts` is a timestamp, `age` of the null type, and a column nobody knows.
    let mut events =
        df!("event_id" => ["E1", "E2"], "ts" => [1_735_207_200_000_000i64, 0], "surprise" => [1, 2]).unwrap();
    let ts = events.column("ts").unwrap().cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
    events.with_column(ts).unwrap();
    events.with_column(polars::prelude::Series::new_null("age".into(), 2).into()).unwrap();
    put(&world.lake, "events", events).await;
    // `amount` is a number, `tx_id` an integer.
    let transactions = df!("tx_id" => [7i64, 8], "user_id" => ["U1", "U1"], "amount" => [Some(10.25), None], "created_at" => ["2024-12-26", "2024-12-26"]);
    put(&world.lake, "transactions", transactions.unwrap()).await;
    expect(&build(&world.lake, "star", &[]).await, "OK", 0);

    assert_eq!(column(&world.lake, "fact_events", "event_date").await, [json!("1970-01-01"), json!("2024-12-26")]);
    assert_eq!(column(&world.lake, "fact_events", "country").await, [Value::Null, Value::Null]);
    assert_eq!(column(&world.lake, "fact_transactions", "tx_id").await, [json!("7"), json!("8")]);
    assert_eq!(column(&world.lake, "daily_revenue", "total_revenue").await, [json!(10.25)]);
    assert_eq!(column(&world.lake, "daily_revenue", "avg_amount").await, [json!(10.25)]);
    for empty in ["dim_country", "dim_status"] {
        assert!(parquet_rows(&world.lake, &table(&world.lake, empty)).await.is_empty(), "{empty}");
    }
    assert_eq!(column(&world.lake, "user_ltv", "user_id").await, [json!("U1")], "events have no user");
}

#[tokio::test]
async fn a_missing_key_column_is_a_quality_failure_not_a_crash() {
    let world = world(&[("users", USERS), ("transactions", TRANSACTIONS)]).await;
    put(&world.lake, "events", df!("ts" => ["2024-12-26"]).unwrap()).await;
    let result = build(&world.lake, "star", &[]).await;
    expect(&result, "DQ_FAILED", 1);
    assert!(result.message.contains("1 of 1 events have no event_id"), "{}", result.message);
    assert_eq!(gold_objects(&world.lake).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_newest_version_wins_and_ties_go_to_the_greatest_row() {
    let events = "event_id,user_id,ts,country\n\
        E1,U1,2024-12-26T10:00:00Z,AA\nE1,U1,2024-12-26 12:00:00.5,BB\nE1,U1,not a time,ZZ\n\
        E2,U1,2024-12-26,AA\nE2,U1,2024-12-26,\nE2,U0,2024-12-26,ZZ\n\
        E3,U1,2024-12-26T10:00:00+02:00,AA\nE3,U1,2024-12-26T09:00:00,BB\n\
         E4 ,U2,,CC\n";
    let users = "user_id,name,city,updated_at\nU1,Old,Lima,2024-01-01\nU1,New,Pune,2024-01-02\nU1,None,Rome,\n,Nobody,X,2025-01-01\n";
    let transactions = "tx_id,user_id,amount,status,created_at\n\
        T1,U1,1,pending,2024-12-26\nT1,U1,\"1,234.50\", Delivered ,2024-12-27\nT2,U3,inf,DELIVERED,2024-12-27\nT3,U3,12abc,x,2024-12-27\n";
    let world = world(&[("events", events), ("users", users), ("transactions", transactions)]).await;
    let result = build(&world.lake, "star", &[]).await;
    expect(&result, "OK", 0);

    let events = parquet_rows(&world.lake, &table(&world.lake, "fact_events")).await;
    let of = |column: &str| events.iter().map(|row| row[column].clone()).collect::<Vec<_>>();
    assert_eq!(of("event_id"), [json!("E1"), json!("E2"), json!("E3"), json!("E4")]);
    assert_eq!(of("country"), [json!("BB"), json!("AA"), json!("BB"), json!("CC")]);
    assert_eq!(of("user_city"), [json!("Pune"), json!("Pune"), json!("Pune"), Value::Null]);
    assert_eq!(column(&world.lake, "dim_users", "name").await, [json!("New")]);
    assert_eq!(result.metrics["users_without_key"], 1);

    let revenue = parquet_rows(&world.lake, &table(&world.lake, "daily_revenue")).await;
    assert_eq!(revenue.len(), 1);
    assert_eq!((&revenue[0]["total_revenue"], &revenue[0]["delivered_count"]), (&json!(1234.5), &json!(2)));
    assert_eq!(revenue[0]["avg_amount"], json!(1234.5), "of the amounts there are");
    assert_eq!(column(&world.lake, "dim_status", "status").await, [json!("DELIVERED"), json!("Delivered"), json!("x")]);
    let of_transactions = &result.metrics["table_metrics"]["fact_transactions"];
    assert_eq!(
        (&of_transactions["cast_failures_amount"], &of_transactions["null_rate_amount"]),
        (&json!(2), &json!(0.6667))
    );
    let activity = parquet_rows(&world.lake, &table(&world.lake, "fact_user_activity")).await;
    let users: Vec<(&Value, &Value)> = activity.iter().map(|row| (&row["date"], &row["user_id"])).collect();
    assert_eq!(
        users,
        [
            (&json!("2024-12-26"), &json!("U1")),
            (&json!("2024-12-27"), &json!("U1")),
            (&json!("2024-12-27"), &json!("U3")),
        ]
    );
    assert_eq!((&activity[2]["total_revenue"], &activity[2]["avg_transaction_amount"]), (&json!(0.0), &json!(0.0)));
}

#[tokio::test]
async fn arguments_that_cannot_be_meant_are_refused() {
    let world = World::new().await;
    for (argument, part) in [
        ("--max_null_event_id_rate=2", "give a share from 0 to 1"),
        ("--max_null_event_id_rate=x", "--max_null_event_id_rate is `x`"),
        ("--partition_facts=maybe", "give true or false"),
        ("--ds=2024-02-30", "2024-02-30"),
        ("--GOLD_MART=ftp://x", "--GOLD_MART"),
        ("--GOLD_FACT=s3://silver/star/events", "overlap"),
        ("--GOLD_MART=", "--GOLD_MART is required"),
        ("--QUARANTINE_BASE=s3://gold/fact/fact_events", "overlap"),
        ("--METRICS_BASE=s3://silver/star/users", "overlap"),
    ] {
        let result = build(&world.lake, "star", &[argument]).await;
        expect(&result, "PRE_VALIDATION_FAILED", 2);
        assert!(result.message.contains(part), "{argument}: {}", result.message);
    }
}

#[tokio::test]
async fn a_quarantine_in_the_place_of_silver_is_refused_and_silver_stays() {
    let world = world(&[("events", EVENTS), ("users", USERS), ("transactions", TRANSACTIONS)]).await;
    let silver = world.lake.folder("silver", "star").unwrap();
    let names = async || silver.objects().await.unwrap().into_iter().map(|object| object.name).collect::<Vec<_>>();
    let before = names().await;
    let result = build(&world.lake, "star", &["--QUARANTINE_BASE=s3://silver/star"]).await;
    expect(&result, "PRE_VALIDATION_FAILED", 2);
    let said = "the silver table events `";
    assert!(
        result.message.starts_with(said) && result.message.contains("the quarantine of events"),
        "{}",
        result.message
    );
    assert_eq!(names().await, before);
}

#[tokio::test]
async fn a_file_that_is_no_parquet_is_named_and_gold_stays() {
    let world = world(&[("events", EVENTS), ("users", USERS), ("transactions", TRANSACTIONS)]).await;
    expect(&build(&world.lake, "star", &[]).await, "OK", 0);
    let before = gold_objects(&world.lake).await;
    let users = world.lake.folder("silver", "star/users/event_date=2024-01-01").unwrap();
    let file = users.data_objects().await.unwrap().swap_remove(0).name;
    let whole = users.get(&file).await.unwrap();
    let mut cases: Vec<(bytes::Bytes, &str)> = vec![
        (bytes::Bytes::from_static(b"no parquet"), "as Parquet"),
        (bytes::Bytes::from_static(b"PAR1 this is no Parquet PAR1"), "is no footer"),
        (whole.slice(..whole.len() / 2), "as Parquet"),
        (bytes::Bytes::new(), ""),
    ];
    // In the key: rows without one are left out before their other columns are decoded.
    cases.extend(parquet_bombs("user_id").into_iter().map(|(_, bytes, part)| (bytes.into(), part)));
    for (broken, part) in cases {
        users.put(&file, broken).await.unwrap();
        let result = within_mib(MIB, build(&world.lake, "star", &[])).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains(&file) && result.message.contains(part), "{part}: {}", result.message);
        assert_eq!(gold_objects(&world.lake).await, before);
    }
}

#[tokio::test]
async fn a_csv_file_that_cannot_be_loaded_is_named_with_its_line_and_silver_stays() {
    let world = world(&[("events", EVENTS), ("users", USERS), ("transactions", TRANSACTIONS)]).await;
    let silver = world.lake.folder("silver", "star").unwrap();
    let names = async || silver.data_objects().await.unwrap().into_iter().map(|object| object.name).collect::<Vec<_>>();
    let before = names().await;
    let header = "event_id,ts\n";
    let rows = gzip(format!("{header}E1,2024-12-26\n").as_bytes(), 1);
    for (name, bytes, part) in [
        ("events.csv", b"event_id,ts\nE1,2024-12-26\nE2\n".to_vec(), "line: 3"),
        ("events.csv", b"event_id,ts\nE1,\xff\xfe\n".to_vec(), "line 2"),
        ("events.csv", b"a,b\n1,2\n".to_vec(), "names no column of events"),
        ("events.csv", Vec::new(), "names no column of events"),
        ("events.csv.gz", rows[..rows.len() - 6].to_vec(), "cannot be loaded"),
        ("events.csv.gz", gzip_of_a_long_line(header), "begins in line 2 exceeds RECORD_BYTES_MAX"),
    ] {
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join(name), bytes).unwrap();
        let line = [format!("--source={}", source.path().display()), "--SILVER_BASE=s3://silver/star".to_owned()];
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let result = within_mib(MIB, run(&world.lake, "star-schema-silver-load", &line)).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains(name) && result.message.contains(part), "{part}: {}", result.message);
        assert_eq!(names().await, before, "{part}");
    }
}

#[tokio::test]
async fn a_csv_file_whose_rows_fill_the_memory_is_refused_within_its_allowance() {
    let day = |n: i64| chrono::NaiveDate::from_ymd_opt(1700, 1, 1).unwrap() + chrono::Duration::days(n);
    let days: String = (0..100_000).map(|n| format!("E,{}\n", day(n))).collect();
    for (name, rows) in [
        ("equal rows", gzip("E,2024-12-26\n".repeat(100_000).as_bytes(), 40)),
        ("a row for each day of three centuries", gzip(days.as_bytes(), 1)),
    ] {
        let bytes = [gzip(b"event_id,event_date\n", 1), rows].concat();
        assert!(bytes.len() < 2 << 20, "{name}: {} bytes are small", bytes.len());
        let (source, silver) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(source.path().join("events.csv.gz"), bytes).unwrap();
        let line = [("source", &source), ("SILVER_BASE", &silver)];
        let line = line.map(|(name, folder)| format!("--{name}={}", folder.path().display()));
        let lake = silver.path().to_str().unwrap();
        let message = refused_with_32_mib(lake, "star-schema-silver-load", &line.each_ref().map(String::as_str));
        let part =
            "events.csv.gz`: the memory that the rows up to here take, in MiB, exceeds STEPWELL_READ_MEMORY_MIB = 32";
        assert!(message.contains(part), "{name}: {message}");
        assert_eq!(std::fs::read_dir(silver.path()).unwrap().count(), 0, "{name}: nothing was written");
    }
}

#[tokio::test]
async fn values_that_cannot_be_cast_are_null_and_counted() {
    let events = "event_id,user_id,ts\nE1,U1,2024-02-30\nE2,U1,2024-02-29\nE3,U1,29.02.2024\n";
    let world = world(&[("events", events), ("users", USERS), ("transactions", TRANSACTIONS)]).await;
    let result = build(&world.lake, "star", &[]).await;
    expect(&result, "OK", 0);
    let dates = column(&world.lake, "fact_events", "event_date").await;
    assert_eq!(dates.iter().filter(|date| **date == json!("2024-02-29")).count(), 1, "{dates:?}");
    assert_eq!(dates.iter().filter(|date| date.is_null()).count(), 2, "{dates:?}");
    assert_eq!(result.metrics["table_metrics"]["fact_events"]["cast_failures_ts"], json!(2));
}
