//! What the texts of silver mean: white space, instants, the ends of the calendar. Source: pipelines.md 0.2; 3.2, step 3.

use std::sync::Arc;

use deltalake::arrow::array::{BinaryArray, ListBuilder, StringArray, StringBuilder};
use serde_json::{Value, json};

use super::super::support::{World, expect, parquet, parquet_rows};
use super::{build, load_texts, table};

const USERS: &str = "user_id,name,city,updated_at\nU1,One,Lima,2024-01-01\n";
const TRANSACTIONS: &str = "tx_id,user_id,amount,status,created_at\nT1,U1,10.50,delivered,2024-12-26\n";

async fn column(world: &World, name: &str, column: &str) -> Vec<Value> {
    let rows = parquet_rows(&world.lake, &table(&world.lake, name)).await;
    rows.into_iter().map(|mut row| row.remove(column).unwrap_or_default()).collect()
}

#[tokio::test]
async fn white_space_is_no_text_and_no_part_of_one() {
    let world = World::new().await;
    let events = "event_id,user_id,ts,country\nE1,U1,2024-12-26,\"\tPE\n\"\nE2,\"U1\t\",2024-12-26,\"\t\n\"\n\
        \"E2\t\",U1,2024-12-27,\u{a0}\n\"\t\",U1,2024-12-26,PE\n";
    let users = "user_id,name,email,phone,city,age,updated_at\nU1,\" One \",\"\t\",\" \",\"  \",\" 30\t\",2024-01-01\n";
    let transactions = "tx_id,user_id,amount,status,created_at\nT1,U1,\"\t1,0.50 \",\"done\t\",2024-12-26\n";
    load_texts(&world.lake, "star", &[("events", events), ("users", users), ("transactions", transactions)]).await;
    let result = build(&world.lake, "star", &["--max_null_event_id_rate=0.5"]).await;
    expect(&result, "OK", 0);
    assert_eq!(column(&world, "fact_events", "event_id").await, [json!("E1"), json!("E2")]);
    assert_eq!(column(&world, "fact_events", "user_id").await, [json!("U1"), json!("U1")]);
    assert_eq!(column(&world, "fact_events", "country").await, [json!("PE"), Value::Null]);
    assert_eq!(column(&world, "dim_country", "country").await, [json!("PE")]);
    assert_eq!(column(&world, "dim_status", "status").await, [json!("done")]);
    assert_eq!(column(&world, "fact_transactions", "amount").await, [json!(10.5)]);
    assert_eq!((&result.metrics["events_without_key"], &result.metrics["events_duplicates"]), (&json!(1), &json!(1)));
    let user = &parquet_rows(&world.lake, &table(&world.lake, "dim_users")).await[0];
    for (name, expected) in [
        ("name", json!("One")),
        ("email", Value::Null),
        ("phone", Value::Null),
        ("city", Value::Null),
        ("age", json!("30")),
    ] {
        assert_eq!(user[name], expected, "{name}");
    }
    assert_eq!(column(&world, "fact_events", "user_city").await, [Value::Null, Value::Null]);
    assert_eq!(column(&world, "fact_transactions", "user_age").await, [json!("30")]);
}

#[tokio::test]
async fn instants_are_of_the_shapes_of_the_contract_and_of_its_years() {
    let good = [
        ("2024-12-26", "2024-12-26T00:00:00.000000Z"),
        ("2024-12-26 10:00:01", "2024-12-26T10:00:01.000000Z"),
        ("2024-12-26 10:00:01.5", "2024-12-26T10:00:01.500000Z"),
        ("2024-12-26T10:00:01", "2024-12-26T10:00:01.000000Z"),
        ("2024-12-26T10:00:01.123456789Z", "2024-12-26T10:00:01.123456Z"),
        ("2024-12-26T10:00:01+05:30", "2024-12-26T04:30:01.000000Z"),
        (" 2024-12-26T10:00:01-00:30\t", "2024-12-26T10:30:01.000000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
    ];
    let bad = [
        "2024-12-26 10:00",
        "2024-12-26T10:00",
        "2024-12-26T10:00:01+0530",
        "2024-12-26T10:00:01+05",
        "2024-12-26 10:00:01Z",
        "2024-12-26 10:00:01+05:00",
        "2024-12-26t10:00:01",
        "2024-12-26T10:00:01z",
        "\"2024-12-26 10:00:01,5\"",
        "2024-12-26T10:00:01.Z",
        "2024-02-30",
        "26.12.2024",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+05:00",
        "0000-12-31",
    ];
    let world = World::new().await;
    let texts = good.iter().map(|(text, _)| *text).chain(bad);
    let rows: String = texts.enumerate().map(|(n, text)| format!("E{n:02},U1,{text},2024-12-26\n")).collect();
    let events = format!("event_id,user_id,ts,event_date\n{rows}");
    load_texts(&world.lake, "star", &[("events", &events), ("users", USERS), ("transactions", TRANSACTIONS)]).await;
    let result = build(&world.lake, "star", &[]).await;
    expect(&result, "OK", 0);
    let mut found = parquet_rows(&world.lake, &table(&world.lake, "fact_events")).await;
    found.sort_by_key(|row| row["event_id"].to_string());
    let expected = good.iter().map(|(text, at)| (*text, json!(at))).chain(bad.map(|text| (text, Value::Null)));
    for (row, (text, at)) in found.iter().zip(expected) {
        assert_eq!(row["ts"], at, "{text}");
    }
    assert_eq!(found.len(), good.len() + bad.len());
    assert_eq!(result.metrics["table_metrics"]["fact_events"]["cast_failures_ts"], json!(bad.len()));
    let folders = table(&world.lake, "fact_events").data_objects().await.unwrap();
    let strange = |name: &str| name.contains("=-") || name.contains("%2B");
    assert!(!folders.iter().any(|object| strange(&object.name)), "{folders:?}");
}

#[tokio::test]
async fn values_that_are_no_text_are_null_counted_and_warned_of() {
    let world = World::new().await;
    load_texts(&world.lake, "star", &[("users", USERS), ("transactions", TRANSACTIONS)]).await;
    let mut users = ListBuilder::new(StringBuilder::new());
    users.append_value([Some("U1")]);
    users.append_null();
    users.append_value([Some("U1"), Some("U2")]);
    let events = parquet(vec![
        ("event_id", Arc::new(StringArray::from(vec!["E1", "E2", "E3"]))),
        ("user_id", Arc::new(users.finish())),
        ("ts", Arc::new(StringArray::from(vec!["2024-12-26", "2024-12-26", "soon"]))),
        ("country", Arc::new(BinaryArray::from(vec![&b"PE"[..], b"\xff\x41", b"DE"]))),
    ]);
    let folder = world.lake.folder("silver", "star/events").unwrap();
    folder.put("event_date=2024-12-26/part-00000-aa.parquet", events).await.unwrap();
    let result = build(&world.lake, "star", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(column(&world, "fact_events", "user_id").await, [Value::Null, Value::Null, Value::Null]);
    assert_eq!(column(&world, "fact_events", "country").await, [json!("PE"), Value::Null, json!("DE")]);
    let metrics = &result.metrics["table_metrics"]["fact_events"];
    for (name, count) in [("user_id", 2), ("country", 1), ("ts", 1)] {
        assert_eq!(metrics[format!("cast_failures_{name}")], json!(count), "{name}");
    }
    for said in [
        "2 value(s) of events.user_id are no text (such as `List(",
        "1 value(s) of events.country are no text (such as `ff41`)",
        "1 value(s) of events.ts cannot be read",
    ] {
        assert!(result.warnings.iter().any(|warning| warning.contains(said)), "{said}: {:?}", result.warnings);
    }
}
