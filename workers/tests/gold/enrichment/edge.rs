//! What silver may have wrong, and what becomes of it. Source: pipelines.md 4.2, 4.4 (9), 4.6; 6.2, column 4.

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use serde_json::{Value, json};
use workers::lake::delta::{Delta, Write};
use workers::lake::{Column, Kind, Rows, column};

use super::super::bomb::{gzip, gzip_of_a_long_line, parquet_bombs, within_mib};
use super::super::support::{MIB, add_to_delta};
use super::world::{Txn, World, expect, lines, metric, silver_columns};

/// A silver table of its own making: these columns, these texts and numbers.
async fn make_silver(world: &World, columns: &[Column], cells: &[(&str, ArrayRef)]) {
    let folder = world.folder("delta/silver");
    let mut table = Delta::create(&folder, columns, &["event_date"], "silver").await.unwrap();
    let batch = RecordBatch::try_from_iter(cells.iter().map(|(name, cells)| (*name, cells.clone()))).unwrap();
    table.write(Rows::of(columns, vec![batch]), Write::Append, None, "test").await.unwrap();
}

fn texts(cells: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(cells.to_vec()))
}

fn numbers(cells: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(cells.to_vec()))
}

#[tokio::test]
async fn missing_required_columns_fail_and_other_missing_ones_are_null() {
    let world = World::new().await;
    let few: Vec<Column> = silver_columns().into_iter().filter(|column| column.name != "risk_level").collect();
    make_silver(
        &world,
        &few,
        &[("transaction_id", texts(&[Some("t1")])), ("event_date", texts(&[Some("2025-06-11")]))],
    )
    .await;
    let failed = world.stream(&[]).await;
    expect(&failed, "MISSING_COLUMNS", 1);
    assert!(failed.message.contains("risk_level"), "{}", failed.message);
    assert_eq!(world.json("checkpoints/gold/commits/0.json").await, Value::Null, "the batch is not done");

    let world = World::new().await;
    let required =
        ["transaction_id", "user_id", "product_id", "amount", "event_date", "risk_level", "usage_cost_ratio"];
    let mut columns: Vec<Column> =
        silver_columns().into_iter().filter(|column| required.contains(&column.name.as_ref())).collect();
    columns.push(column("colour", Kind::Text));
    let cells = [
        ("transaction_id", texts(&[Some("t1")])),
        ("user_id", texts(&[Some(" U1 ")])),
        ("amount", numbers(&[Some(5.0)])),
        ("event_date", texts(&[Some("2025-06-11")])),
    ];
    make_silver(&world, &columns, &cells).await;
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    assert!(result.warnings.iter().any(|warning| warning.contains("colour")), "{:?}", result.warnings);
    let row = &world.query("select * from high_risk_txns").await[0];
    assert_eq!(row.len(), 34);
    assert_eq!(
        (&row["user_id"], &row["event_time"], &row["is_high_risk_txn"]),
        (&json!("U1"), &Value::Null, &json!(false))
    );
}

#[tokio::test]
async fn values_of_other_types_are_cast_and_those_that_cannot_be_are_set_aside() {
    let world = World::new().await;
    let other = |column: Column| match column.name.as_ref() {
        "amount" | "event_time" | "is_new_user" => Column::new(column.name, Kind::Text),
        "risk_score" => Column::new(column.name, Kind::Int64),
        _ => column,
    };
    let columns: Vec<Column> = silver_columns().into_iter().map(other).collect();
    let day = Some("2025-06-11");
    let cells = [
        ("transaction_id", texts(&[Some("t1"), Some("t2"), Some("t3"), Some("t4")])),
        ("user_id", texts(&[Some("U1"); 4])),
        ("amount", texts(&[Some(" 12.5 "), Some("abc"), Some(""), Some("1")])),
        ("event_time", texts(&[Some("2025-06-11T10:00:00"), None, None, Some("yesterday")])),
        ("is_new_user", texts(&[Some("true"), Some("false"), None, None])),
        ("event_date", texts(&[day; 4])),
    ];
    make_silver(&world, &columns, &cells).await;
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    let last = metric(&result, "last_batch");
    assert_eq!(
        (&last["input_rows"], &last["bad_rows"], &last["risk_rows"]),
        (&json!(4), &json!(2), &json!(2)),
        "{last}"
    );
    let bad = world.json_lines("bad_records/gold/batch_id=0").await;
    let told: Vec<(&Value, &Value)> =
        bad.iter().map(|line| (&line["record"]["transaction_id"], &line["reason"])).collect();
    assert_eq!(
        told,
        [(&json!("t2"), &json!("amount cannot be read")), (&json!("t4"), &json!("event_time cannot be read"))]
    );
    assert_eq!(world.value("select \"Total_spent_per_user\" from user_spend_summary").await, json!(12.5));
    assert_eq!(
        world.value("select event_time from high_risk_txns where transaction_id = 't1'").await,
        "2025-06-11T10:00:00.000000Z"
    );
}

#[tokio::test]
async fn rows_without_a_date_become_bad_records_and_the_others_go_on() {
    let world = World::new().await;
    let undated = Txn { id: "t2", time: None, ..Txn::default() };
    world.ingest("a.json", &[Txn::default(), undated.clone()]).await;
    world.ingest("b.json", &[Txn { id: "t3", ..undated }]).await;
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(1));
    let bad = world.json_lines("bad_records/gold/batch_id=1").await;
    assert_eq!(bad.len(), 2, "all undated rows that silver has by then: {bad:?}");
    assert!(bad.iter().all(|line| line["reason"] == "event_date is null"), "{bad:?}");
    assert_eq!(world.batches().await, [(Some(1), 1); 3], "the second batch had nothing to place");
}

#[tokio::test]
async fn raw_lines_that_cannot_be_read_are_set_aside_without_their_secrets() {
    let world = World::new().await;
    let good = lines(&[Txn::default()]);
    let bad_amount = lines(&[Txn { id: "t2", amount: json!("12,5"), ..Txn::default() }]);
    world.deliver("a.json", &format!("\u{feff}{good}not json 4000000000001234\n\n[1,2]\n{bad_amount}")).await;
    let result = world.run("enrichment-silver", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!((metric(&result, "records"), metric(&result, "bad_records")), (&json!(1), &json!(3)));
    let bad = world.json_lines("bad_records/silver").await;
    let reasons: Vec<&str> = bad.iter().map(|line| line["reason"].as_str().unwrap()).collect();
    assert!(reasons[0].starts_with("not JSON") && reasons[1] == "no JSON object", "{reasons:?}");
    assert_eq!(reasons[2], "amount is `12,5`, no number");
    assert!(!format!("{bad:?}").contains("4000000000001234"), "{bad:?}");
}

#[tokio::test]
async fn broken_and_foreign_raw_objects_are_named() {
    let world = World::new().await;
    world.deliver("a.csv", "x,y\n1,2\n").await;
    let none = world.run("enrichment-silver", &[]).await;
    expect(&none, "NO_RAW_DATA", 0);
    assert!(none.warnings[0].contains("1 object(s)"), "{:?}", none.warnings);
    world.folder("raw/stream_input").put("b.json.gz", &b"\x1f\x8bno gzip"[..]).await.unwrap();
    let broken = world.run("enrichment-silver", &[]).await;
    expect(&broken, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(broken.message.contains("b.json.gz"), "{}", broken.message);
    world.folder("raw/stream_input").delete("b.json.gz").await.unwrap();
    world.deliver("c.json", &"x".repeat(2 << 20)).await;
    let long = world.run("enrichment-silver", &[]).await;
    expect(&long, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(long.message.contains("RECORD_BYTES_MAX"), "{}", long.message);
    world.folder("raw/stream_input").delete("c.json").await.unwrap();
    world.deliver("d.json", "").await;
    expect(&world.run("enrichment-silver", &[]).await, "OK", 0);
    assert_eq!(world.value("select count(*) from silver").await, json!(0));
    world.folder("lookups").delete("users_lookup.csv").await.unwrap();
    let lookup = world.run("enrichment-silver", &[]).await;
    expect(&lookup, "SILVER_INPUT_MISSING", 1);
    assert!(lookup.message.contains("users_lookup.csv"), "{}", lookup.message);
}

#[tokio::test]
async fn a_violated_check_blocks_the_batch_and_leaves_the_tables() {
    let world = World::new().await;
    world.ingest("a.json", &[Txn::default()]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let (gold, batches) = (world.gold().await, world.batches().await);
    // Two amounts whose sum is no number any more.
    let huge = |id| Txn { id, amount: json!(1.7e308), ..Txn::default() };
    world.ingest("b.json", &[huge("t2"), huge("t3")]).await;
    let failed = world.stream(&[]).await;
    expect(&failed, "DQ_FAILED", 1);
    let said = "user_spend_summary: sum of amounts (the sums of 1 date(s) differ, the first 2025-06-11)";
    assert!(failed.message.contains(said), "{}", failed.message);
    let quality = metric(&failed, "quality").as_array().unwrap();
    assert_eq!(quality.iter().filter(|check| check["status"] == "FAIL").count(), 1, "{quality:?}");
    assert_eq!((world.gold().await, world.batches().await), (gold, batches));
    assert_eq!(world.json("checkpoints/gold/commits/1.json").await, Value::Null);
    expect(&world.stream(&[]).await, "DQ_FAILED", 1);
}

#[tokio::test]
async fn rules_of_silver_are_reported_and_block_nothing() {
    let world = World::new().await;
    let txns = [
        Txn { amount: json!(-1.0), currency: "eur", ..Txn::default() },
        Txn { id: "t2", amount: json!(10.0), address: super::world::HIGH, ..Txn::default() },
        Txn { id: "t3", plan: "Trial", currency: "", ..Txn::default() },
    ];
    world.ingest("a.json", &txns).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let told = world.json("logs/enrichment_gold/batch_id=0.json").await;
    let rows = told["quality"].as_array().unwrap();
    let rule = |column: &str, check: &str| {
        let found = rows.iter().find(|row| row["column"] == column && row["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no rule {column} {check}"));
        assert_eq!((&found["batch_id"], found[format!("{check}_percent")].is_f64()), (&json!(0), true), "{found}");
        (found[format!("{check}_count")].as_u64().unwrap(), found["status"].as_str().unwrap().to_owned())
    };
    for (column, check, count) in [
        ("amount", "not_positive", 1),
        ("amount", "null", 0),
        ("currency", "format", 1),
        ("currency", "null", 1),
        ("currency", "absent_with_amount", 1),
        ("monthly_cost", "absent_with_amount", 1),
        ("card_number", "format", 0),
        ("hash_ip", "format", 0),
        ("usage_cost_ratio", "not_positive", 2),
        ("usage_cost_ratio", "high_risk_low_usage", 1),
    ] {
        let status = if count == 0 { "pass" } else { "fail" };
        assert_eq!(rule(column, check), (count, status.to_owned()), "{column} {check}");
    }
}

#[tokio::test]
async fn a_raw_file_that_cannot_be_read_is_named_with_its_line_and_silver_stays() {
    let world = World::new().await;
    world.ingest("a.json", &[Txn::default()]).await;
    let before = world.value("select count(*) from silver").await;
    let good = lines(&[Txn { id: "t2", ..Txn::default() }]);
    for (name, bytes, part) in [
        ("line.json.gz", gzip_of_a_long_line(&good), "begins in line 2 exceeds RECORD_BYTES_MAX"),
        ("blank.json.gz", gzip(&vec![b' '; 4 << 20], 4), "begins in line 1 exceeds RECORD_BYTES_MAX"),
        ("cut.json.gz", gzip(good.as_bytes(), 1)[..40].to_vec(), "as gzip"),
        ("none.json.gz", b"this is no gzip".to_vec(), "as gzip"),
    ] {
        world.folder("raw/stream_input").put(name, bytes).await.unwrap();
        let result = within_mib(MIB, world.run("enrichment-silver", &[])).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains(name) && result.message.contains(part), "{name}: {}", result.message);
        assert_eq!(world.value("select count(*) from silver").await, before, "{name}");
        world.folder("raw/stream_input").delete(name).await.unwrap();
    }
}

#[tokio::test]
async fn raw_lines_that_are_set_aside_tell_their_file_and_line() {
    for (name, bad, reason) in [
        (
            "no such date",
            lines(&[Txn { time: Some("2024-02-30T10:00:00"), ..Txn::default() }]).into_bytes(),
            "event_time is `2024-02-30",
        ),
        ("wrong type", lines(&[Txn { amount: json!({}), ..Txn::default() }]).into_bytes(), "amount is no plain value"),
        ("not UTF-8", b"{\"transaction_id\": \"\xff\"}\n".to_vec(), "not UTF-8"),
        ("cut off", b"{\"transaction_id\": \"t9\"".to_vec(), "not JSON"),
    ] {
        let world = World::new().await;
        let text = [lines(&[Txn::default()]).as_bytes(), b"\n", &bad].concat();
        world.folder("raw/stream_input").put("a.json", text).await.unwrap();
        let result = world.run("enrichment-silver", &[]).await;
        expect(&result, "OK", 0);
        let set_aside = world.json_lines("bad_records/silver").await;
        assert_eq!(set_aside.len(), 1, "{name}");
        assert!(set_aside[0]["reason"].as_str().unwrap().starts_with(reason), "{name}: {}", set_aside[0]);
        assert!(
            set_aside[0]["file"].as_str().unwrap().ends_with("/raw/stream_input/a.json"),
            "{name}: {}",
            set_aside[0]
        );
        assert_eq!(set_aside[0]["line"], 3, "{name}");
        assert_eq!(world.value("select count(*) from silver").await, json!(1), "{name}");
    }
}

#[tokio::test]
async fn a_file_of_silver_that_is_no_parquet_or_a_bomb_fails_stream_and_batch_and_gold_stays() {
    let mut cases = vec![("none", b"PAR1 this is no Parquet PAR1".to_vec(), "as Parquet")];
    cases.extend(parquet_bombs("amount"));
    for (name, bytes, part) in cases {
        let world = World::new().await;
        world.ingest("a.json", &[Txn::default()]).await;
        expect(&world.stream(&[]).await, "OK", 0);
        let (gold, batches) = (world.gold().await, world.batches().await);
        let file = format!("event_date=2025-06-11/{name}.parquet");
        add_to_delta(&world.folder("delta/silver"), &file, json!({ "event_date": "2025-06-11" }), bytes).await;
        for job in ["enrichment-gold-stream", "enrichment-gold"] {
            let more: &[&str] = if job == "enrichment-gold" { &[] } else { &["--optimize=false"] };
            let result = within_mib(MIB, world.run(job, more)).await;
            expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
            assert!(result.message.contains(part), "{name}: {}", result.message);
            assert!(result.message.contains(&format!("{name}.parquet")), "{}", result.message);
            assert_eq!((&world.gold().await, &world.batches().await), (&gold, &batches), "{name}: {job}");
        }
    }
}
