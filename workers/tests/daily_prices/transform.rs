use serde_json::Value;
use workers::job::JobStatus;
use workers::lake::PartitionState;

use super::support::{World, columns, expect, metric, numbers, rows, texts};

const DS: &str = "2012-05-18";

async fn compacted() -> World {
    let world = World::new().await;
    world.add_day(DS).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    world
}

fn line(symbol: &str, at: &str, close: f64) -> String {
    format!(r#"{{"symbol":"{symbol}","timestamp":"{at}","open":1,"high":2,"low":0.5,"close":{close},"volume":3}}"#)
}

#[tokio::test]
async fn a_good_day_is_adjusted_and_published_and_its_schema_recorded_once() {
    let world = compacted().await;
    let result = world.transform(DS, &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(result.metrics["dq_messages"], serde_json::json!(["DQ OK"]));
    assert_eq!(result.metrics["input"], "compacted");
    assert_eq!(result.metrics["schema_changed"], Value::Bool(true));
    assert!(metric(&result, "peak_memory_bytes") > 1e6);
    let frame = rows(&world.curated(DS)).await;
    let adjustment = ["raw_open", "raw_high", "raw_low", "raw_close", "raw_volume", "adjustment_factor"];
    assert_eq!(columns(&frame)[8..], adjustment);
    assert_eq!(texts(&frame, "symbol"), [Some("AAPL"), Some("FB"), Some("IBM"), Some("MSFT")]);
    assert_eq!(numbers(&frame, "close")[0], Some(68.161222251102));
    assert_eq!(numbers(&frame, "raw_close")[0], Some(530.38));
    let factor = 68.161222251102 / 530.38;
    assert_eq!(numbers(&frame, "adjustment_factor"), {
        let closes = numbers(&frame, "close").into_iter().zip(numbers(&frame, "raw_close"));
        closes.map(|(adjusted, raw)| Some(adjusted? / raw?)).collect::<Vec<_>>()
    });
    assert_eq!(numbers(&frame, "open")[0], Some(533.96 * factor));
    assert_eq!(numbers(&frame, "volume")[0], Some(26_153_300.0 / factor));
    assert_eq!(numbers(&frame, "volume")[1], Some(573_576_400.0), "no corporate action, nothing changes");
    assert_eq!(world.quarantine(DS).state().await.unwrap(), PartitionState::Absent);

    let again = world.transform(DS, &[]).await;
    expect(&again, "OK", 0);
    assert_eq!(again.metrics["schema_changed"], Value::Bool(false));
    assert_eq!(again.metrics["schema_hash"], result.metrics["schema_hash"]);
    assert!(rows(&world.curated(DS)).await.equals_missing(&frame), "reprocessing gives identical rows");
    assert_eq!(again.outputs, result.outputs);
    let schema = world.lake.folder("artifacts", "market/prices/_schema").unwrap();
    let latest: Value = serde_json::from_slice(&schema.get("latest.json").await.unwrap()).unwrap();
    assert_eq!((&latest["hash"], &latest["codec"]), (&result.metrics["schema_hash"], &Value::from("zstd")));
    assert!(schema.get_optional("previous.json").await.unwrap().is_some());
}

#[tokio::test]
async fn without_adjustment_the_columns_are_the_known_and_extra_ones() {
    let world = compacted().await;
    world.add(DS, "Z.json", r#"{"symbol":"Z","timestamp":"2012-05-18","close":1,"zeta":1,"alpha":"x"}"#).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    let result = world.transform(DS, &["--adjust_prices", "false"]).await;
    expect(&result, "OK", 0);
    let frame = rows(&world.curated(DS)).await;
    assert_eq!(columns(&frame)[6..], ["adjusted_close", "volume", "alpha", "zeta"]);
    assert_eq!(numbers(&frame, "close")[0], Some(530.38));
}

#[tokio::test]
async fn records_of_another_day_go_to_quarantine_with_their_reason() {
    let world = compacted().await;
    world.add(DS, "LATE.json", line("LATE", "2012-05-17T23:59:59Z", 1.0)).await;
    world.add(DS, "BAD.json", "{\"symbol\": \"BAD\"").await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    let result = world.transform(DS, &["--max_critical_error_rate", "50"]).await;
    expect(&result, "OK", 0);
    assert_eq!(metric(&result, "critical_records"), 2.0);
    assert_eq!((metric(&result, "dq_wrong_partition"), metric(&result, "dq_malformed")), (1.0, 1.0));
    assert_eq!(rows(&world.curated(DS)).await.height(), 4);
    let frame = rows(&world.quarantine(DS)).await;
    assert_eq!(texts(&frame, "symbol"), [Some("BAD"), Some("LATE")]);
    assert_eq!(texts(&frame, "dq_reason"), [Some("malformed"), Some("wrong_partition")]);

    // Corrected and run again, nothing stays in quarantine.
    world.raw(DS).delete("LATE.json").await.unwrap();
    world.raw(DS).delete("BAD.json").await.unwrap();
    expect(&world.compact(DS, &[]).await, "OK", 0);
    expect(&world.transform(DS, &[]).await, "OK", 0);
    assert_eq!(rows(&world.quarantine(DS)).await.height(), 0);
}

#[tokio::test]
async fn too_many_bad_records_fail_the_day_and_leave_curated_as_it_was() {
    let world = compacted().await;
    expect(&world.transform(DS, &[]).await, "OK", 0);
    let before = rows(&world.curated(DS)).await;
    world.add(DS, "LATE.json", line("LATE", "2012-05-19T00:00:00Z", -1.0)).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    let result = world.transform(DS, &[]).await;
    expect(&result, "DQ_FAILED", 1);
    assert_eq!(
        result.message,
        "DQ_FAILED: negative price present (1 records); wrong partition (1 records); \
         ohlc order violated (1 records); Critical Error Rate: 20.00% (threshold: 5.0%)"
    );
    assert_eq!(result.outputs.len(), 1, "the quarantine is reported, though the job failed");
    assert!(rows(&world.curated(DS)).await.equals_missing(&before));
    let quarantined = rows(&world.quarantine(DS)).await;
    assert_eq!(quarantined.height(), 5, "the whole input");
    let reasons: Vec<_> = texts(&quarantined, "dq_reason").into_iter().flatten().collect();
    assert_eq!(reasons, ["negative_price,wrong_partition"]);
}

#[tokio::test]
async fn a_day_of_which_nothing_remains_fails_whatever_the_threshold() {
    let world = World::new().await;
    world.add(DS, "A.json", line(" ", "2012-05-18", 1.0)).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    let result = world.transform(DS, &["--max_critical_error_rate=100"]).await;
    expect(&result, "DQ_FAILED", 1);
    assert_eq!(result.message, "DQ_FAILED: null symbol present (1 records)");
    assert_eq!(world.curated(DS).state().await.unwrap(), PartitionState::Absent);
}

#[tokio::test]
async fn duplicates_are_removed_and_conflicts_resolved_by_time_then_source() {
    let world = compacted().await;
    world.add(DS, "AAPL-copy.json", world.raw(DS).get("AAPL.json").await.unwrap().to_vec()).await;
    world.add(DS, "x1.json", line("X", "2012-05-18T00:00:00Z", 1.0)).await;
    world.add(DS, "x2.json", line("X", "2012-05-18T00:00:00Z", 1.5)).await;
    world.add(DS, "y1.json", line("Y", "2012-05-18T10:00:00Z", 1.0)).await;
    world.add(DS, "y2.json", line("Y", "2012-05-18T09:00:00Z", 1.5)).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    let result = world.transform(DS, &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(metric(&result, "duplicates_identical"), 1.0);
    assert_eq!(metric(&result, "duplicates_conflicting"), 2.0);
    assert_eq!(metric(&result, "dq_duplicate_key"), 2.0, "AAPL and X");
    let frame = rows(&world.curated(DS)).await;
    assert_eq!(texts(&frame, "symbol")[4..], [Some("X"), Some("Y")]);
    assert_eq!(numbers(&frame, "close")[4..], [Some(1.5), Some(1.0)]);
}

#[tokio::test]
async fn a_day_that_was_never_compacted_is_read_from_raw() {
    let world = World::new().await;
    world.add_day(DS).await;
    let legacy = world.transform(DS, &[]).await;
    expect(&legacy, "OK", 0);
    assert_eq!(legacy.metrics["input"], "raw");
    let from_raw = rows(&world.curated(DS)).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    expect(&world.transform(DS, &[]).await, "OK", 0);
    assert!(rows(&world.curated(DS)).await.equals_missing(&from_raw), "both ways give the same rows");

    let nothing = world.transform("2012-05-19", &[]).await;
    expect(&nothing, "NO_RAW_DATA", 1);
    assert_eq!(nothing.status, JobStatus::Failed);
}

#[tokio::test]
async fn a_half_finished_day_is_not_read_and_is_finished_by_the_next_run() {
    let world = compacted().await;
    world.add_day("2012-05-21").await;
    // Both jobs of the second day broke off: data files, but no `_SUCCESS`.
    for partition in [world.compacted("2012-05-21"), world.curated("2012-05-21")] {
        partition.folder().put("part-00000-deadbeef.parquet", "half a file").await.unwrap();
    }
    expect(&world.transform(DS, &[]).await, "OK", 0);
    assert!(matches!(world.curated("2012-05-21").state().await.unwrap(), PartitionState::Incomplete(_)));
    let result = world.transform("2012-05-21", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(result.metrics["input"], "raw");
    assert!(result.warnings.iter().any(|warning| warning.contains("is incomplete")), "{:?}", result.warnings);
    expect(&world.compact("2012-05-21", &[]).await, "OK", 0);
    expect(&world.transform("2012-05-21", &[]).await, "OK", 0);
    for partition in [world.compacted("2012-05-21"), world.curated("2012-05-21")] {
        assert_eq!(rows(&partition).await.height(), 4);
        assert_eq!(partition.folder().data_objects().await.unwrap().len(), 1, "the half file is gone");
    }
}

#[tokio::test]
async fn a_table_takes_one_interval_and_source() {
    let world = compacted().await;
    expect(&world.transform(DS, &[]).await, "OK", 0);
    let result = world.transform(DS, &["--data_source=stooq"]).await;
    expect(&result, "PRE_VALIDATION_FAILED", 2);
    assert!(result.message.contains("yahoo_finance") && result.message.contains("stooq"), "{}", result.message);
}

#[tokio::test]
async fn compacted_data_of_others_need_symbol_and_timestamp() {
    let world = World::new().await;
    let frame = polars::prelude::df!("ticker" => ["A"], "close" => [1.0]).unwrap();
    let bytes = workers::lake::encode_parquet("x", &frame, workers::lake::Codec::Snappy).unwrap();
    world.compacted(DS).folder().put("x.parquet", bytes).await.unwrap();
    let result = world.transform(DS, &[]).await;
    expect(&result, "MISSING_COLUMNS", 1);
    assert!(result.message.starts_with("MISSING_COLUMNS: [symbol, timestamp]"), "{}", result.message);
}
