//! What is set aside, and with what. Source: pipelines.md 4.4 (9).

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use serde_json::{Value, json};
use workers::lake::delta::{Delta, Write};
use workers::lake::{Column, Kind, Rows};

use super::super::bomb::gzip;
use super::super::support::{add_to_delta, parquet};
use super::world::{Txn, World, expect, lines, metric, silver_columns};

fn texts(cells: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(cells.to_vec()))
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_kept_with_what_it_said() {
    let world = World::new().await;
    let other = |column: Column| match column.name.as_ref() {
        "amount" | "event_time" | "event_date" => Column::new(column.name, Kind::Text),
        _ => column,
    };
    let columns: Vec<Column> = silver_columns().into_iter().map(other).collect();
    let mut table = Delta::create(&world.folder("delta/silver"), &columns, &["event_date"], "silver").await.unwrap();
    let cells = [
        ("transaction_id", texts(&[Some("t1"), Some("t2"), Some("t3"), Some("t4")])),
        ("amount", texts(&[Some("5"), Some("x"), Some("6"), Some("7")])),
        ("event_time", texts(&[None, Some("2025-06-11T10:00:00Z"), Some("soon"), None])),
        ("event_date", texts(&[Some("2025-06-11"), Some("2025-06-11"), Some("2025-06-11"), Some("2024-02-30")])),
    ];
    let batch = RecordBatch::try_from_iter(cells).unwrap();
    table.write(Rows::of(&columns, vec![batch]), Write::Append, None, "test").await.unwrap();
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    let mut bad = world.json_lines("bad_records/gold/batch_id=0").await;
    bad.sort_by_key(|line| line["record"]["transaction_id"].to_string());
    let told: Vec<Value> = bad
        .iter()
        .map(|line| {
            let record = &line["record"];
            assert_eq!(record.as_object().unwrap().len(), columns.len(), "{record}");
            json!([line["reason"], record["amount"], record["event_time"], record["event_date"]])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["amount cannot be read", "x", "2025-06-11T10:00:00.000000Z", "2025-06-11"]),
            json!(["event_time cannot be read", 6.0, "soon", "2025-06-11"]),
            json!(["event_date cannot be read", 7.0, null, "2024-02-30"]),
        ]
    );
    let warned = |result: &workers::job::JobResult| {
        let said = "3 row(s) of silver cannot be used and are set aside in";
        result.warnings.iter().any(|warning| warning.contains(said) && warning.contains("bad_records/gold"))
    };
    assert!(warned(&result), "{:?}", result.warnings);
    assert!(warned(&world.run("enrichment-gold", &[]).await), "batch mode, too");
}

#[tokio::test]
async fn a_date_outside_of_the_calendar_of_partitions_is_set_aside() {
    let world = World::new().await;
    // As text of a later year would be if silver took it: the year 10000 in UTC.
    let raw = lines(&[Txn::default(), Txn { id: "t2", time: Some("9999-12-31T23:59:59-05:00"), ..Txn::default() }]);
    world.deliver("a.json", &raw).await;
    let result = world.run("enrichment-silver", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!((metric(&result, "records"), metric(&result, "bad_records")), (&json!(1), &json!(1)));
    assert!(result.warnings.iter().any(|warning| warning.contains("1 raw record(s)")), "{:?}", result.warnings);
    let bad = &world.json_lines("bad_records/silver").await[0];
    assert_eq!(bad["reason"], "event_time is `9999-12-31T23:59:59-05:00`, no ISO-8601 time of the years 1 to 9999");

    // Silver of another writer has such a date.
    let donor = World::new().await;
    donor.ingest("a.json", &[Txn { id: "t3", ..Txn::default() }]).await;
    let file = donor.silver().await.folder().data_objects().await.unwrap().swap_remove(0);
    let bytes = donor.folder("delta/silver").get(&file.name).await.unwrap().to_vec();
    let partition = json!({ "event_date": "+10000-01-01" });
    add_to_delta(&world.folder("delta/silver"), "event_date=10000/a.parquet", partition, bytes).await;
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    let reasons: Vec<Value> =
        world.json_lines("bad_records/gold").await.into_iter().map(|line| line["reason"].clone()).collect();
    assert_eq!(reasons, ["event_date is not of the years 1 to 9999"]);
    assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(1));
}

#[tokio::test]
async fn a_file_that_is_torn_at_its_end_leaves_nothing_in_silver() {
    let world = World::new().await;
    let line = |n: u32| format!("{{\"transaction_id\":\"t{n}\",\"event_time\":\"2025-06-11T10:00:00\"}}\n");
    // More than a piece, so that a part would be committed before the end is seen.
    let text: String = (0..60_000).map(line).collect();
    let whole = gzip(text.as_bytes(), 1);
    let raw = world.folder("raw/stream_input");
    raw.put("a.json.gz", whole[..whole.len() - 6].to_vec()).await.unwrap();
    let torn = world.run("enrichment-silver", &[]).await;
    expect(&torn, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(torn.message.contains("a.json.gz") && torn.message.contains("replace it"), "{}", torn.message);
    assert_eq!(world.value("select count(*) from silver").await, json!(0));
    raw.put("a.json.gz", whole).await.unwrap();
    expect(&world.run("enrichment-silver", &[]).await, "OK", 0);
    assert_eq!(world.value("select count(*) from silver").await, json!(60_000));
}

#[tokio::test]
async fn a_line_is_too_long_wherever_it_is() {
    let world = World::new().await;
    let long = format!("{{\"transaction_id\":\"{}\"}}\n", "x".repeat(3 << 19));
    let short = lines(&[Txn::default()]).repeat(2_500);
    for (name, text, line) in [("first", long.clone() + &short, 1), ("last", short.clone() + &long, 2_501)] {
        world.deliver("a.json", &text).await;
        let refused = world.run("enrichment-silver", &[]).await;
        expect(&refused, "SCHEMA_VALIDATION_FAILED", 1);
        let said = format!("the record that begins in line {line} exceeds RECORD_BYTES_MAX");
        assert!(refused.message.contains(&said), "{name}: {}", refused.message);
        assert_eq!(world.value("select count(*) from silver").await, json!(0), "{name}");
    }
}

#[tokio::test]
async fn a_torn_log_is_no_fault_of_the_store_and_is_told_in_a_line() {
    let world = World::new().await;
    world.ingest("a.json", &[Txn::default()]).await;
    world.put("delta/silver/_delta_log/00000000000000000001.json", "garbage{").await;
    let failed = world.run("enrichment-gold", &[]).await;
    expect(&failed, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(
        failed.message.contains("delta/silver") && failed.message.contains("its log is torn"),
        "{}",
        failed.message
    );
    assert_eq!(failed.message.lines().count(), 1, "{}", failed.message);
}

#[tokio::test]
async fn a_column_that_cannot_be_read_is_told_with_its_type() {
    // Silver of another writer: bytes for the currency, a struct for a column.
    let silver = async |nested: &str| {
        let world = World::new().await;
        let field = |column: &Column| {
            let kind = match column.name.as_ref() {
                "currency" => json!("binary"),
                name if name == nested => json!({ "type": "struct", "fields": [
                    { "name": "a", "type": "string", "nullable": true, "metadata": {} },
                ] }),
                _ => match column.kind {
                    Kind::Text => json!("string"),
                    Kind::Int32 => json!("integer"),
                    Kind::Int64 => json!("long"),
                    Kind::Float64 => json!("double"),
                    Kind::Boolean => json!("boolean"),
                    Kind::Date => json!("date"),
                    Kind::Timestamp => json!("timestamp"),
                },
            };
            json!({ "name": column.name, "type": kind, "nullable": true, "metadata": {} })
        };
        let fields: Vec<Value> = silver_columns().iter().map(field).collect();
        let schema = json!({ "type": "struct", "fields": fields }).to_string();
        let commit = [
            json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } }),
            json!({ "metaData": { "id": "1", "format": { "provider": "parquet", "options": {} }, "schemaString": schema,
                "partitionColumns": ["event_date"], "configuration": {} } }),
        ];
        let log = commit.map(|action| format!("{action}\n")).concat();
        world.put("delta/silver/_delta_log/00000000000000000000.json", &log).await;
        let currencies = BinaryArray::from_opt_vec(vec![Some(&b"EUR"[..]), Some(b"\xff\x41"), None]);
        let ids = texts(&[Some("t1"), Some("t2"), Some("t3")]);
        let bytes = parquet(vec![("transaction_id", ids), ("currency", Arc::new(currencies))]);
        let name = "event_date=2025-06-11/a.parquet";
        world.folder("delta/silver").put(name, bytes.clone()).await.unwrap();
        let add = json!({ "add": { "path": name, "partitionValues": { "event_date": "2025-06-11" }, "size": bytes.len(),
            "modificationTime": 0, "dataChange": true, "stats": "{\"numRecords\":3}" } });
        world.put("delta/silver/_delta_log/00000000000000000001.json", &add.to_string()).await;
        world
    };
    let world = silver("category").await;
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(2));
    let bad = world.json_lines("bad_records/gold").await;
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert_eq!(
        (&bad[0]["reason"], &bad[0]["record"]["transaction_id"], &bad[0]["record"]["currency"]),
        (&json!("currency is not UTF-8"), &json!("t2"), &json!("ff41"))
    );
    let said = "column category of silver is null in gold: its type Struct(";
    assert!(result.warnings.iter().any(|warning| warning.contains(said)), "{:?}", result.warnings);
    assert!(!result.warnings.iter().any(|warning| warning.contains("does not know")), "{:?}", result.warnings);

    let failed = silver("risk_level").await.stream(&[]).await;
    expect(&failed, "MISSING_COLUMNS", 1);
    assert!(failed.message.contains("risk_level that can be read (it is of type Struct("), "{}", failed.message);
}
