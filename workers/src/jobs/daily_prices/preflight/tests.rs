//! Every decision of preflight, over a lake in a temporary folder.

use super::*;
use crate::jobs::daily_prices::record_source_pair;

/// The environment of most cases.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "RAW_BUCKET" => "raw",
        "CURATED_BUCKET" => "curated",
        "ARTIFACTS_BUCKET" => "artifacts",
        "ENVIRONMENT" => "test",
        _ => return None,
    };
    Some(value.to_owned())
}

fn lake() -> (tempfile::TempDir, Lake) {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    (place, lake)
}

async fn ask(lake: &Lake, input: &Value) -> Value {
    answer(lake, Config::read(variable), input).await.unwrap()
}

/// A payload for 2024-12-06 with fields changed or, by null, taken out.
fn input(changes: Value) -> Value {
    let mut input = json!({"ds": "2024-12-06", "domain": "market", "table_name": "prices", "interval": "1d", "data_source": "yahoo_finance"});
    for (name, value) in changes.as_object().unwrap() {
        input[name] = value.clone();
    }
    input
}

async fn complete(lake: &Lake, table: &str, ds: &str) {
    let folder = lake.folder("curated", &format!("market/{table}/ds={ds}")).unwrap();
    folder.put("part-00000-ab.parquet", "PAR1").await.unwrap();
    let success = json!({"run_id": "r", "written_at": "t", "rows": 1, "files": [{"name": "part-00000-ab.parquet", "rows": 1, "bytes": 4}]});
    folder.put("_SUCCESS", success.to_string()).await.unwrap();
}

#[tokio::test]
async fn a_day_that_may_proceed_gets_its_arguments() {
    let (_place, lake) = lake();
    let output = ask(&lake, &input(json!({"catalog_update": "force", "file_type": "CSV"}))).await;
    assert_eq!(
        output,
        json!({
            "proceed": true,
            "reason": "Ready to process",
            "ds": "2024-12-06",
            "glue_args": {
                "--environment": "test",
                "--domain": "market",
                "--table_name": "prices",
                "--raw_bucket": "raw",
                "--raw_prefix": "market/prices/interval=1d/data_source=yahoo_finance/",
                "--compacted_bucket": "curated",
                "--compacted_prefix": "market/prices/compacted",
                "--curated_bucket": "curated",
                "--curated_prefix": "market/prices/",
                "--schema_fingerprint_s3_uri": "s3://artifacts/market/prices/_schema/latest.json",
                "--codec": "zstd",
                "--target_file_mb": "256",
                "--expected_min_records": "100",
                "--max_critical_error_rate": "5.0",
                "--ds": "2024-12-06",
                "--file_type": "csv",
                "--interval": "1d",
                "--data_source": "yahoo_finance",
                "--output_partitions": "4",
            },
            "indicators_args": {
                "--environment": "test",
                "--domain": "market",
                "--table_name": "indicators",
                "--ds": "2024-12-06",
                "--interval": "1d",
                "--data_source": "yahoo_finance",
                "--prices_curated_bucket": "curated",
                "--prices_prefix": "market/prices/",
                "--output_bucket": "curated",
                "--output_prefix": "market/indicators/",
                "--schema_fingerprint_s3_uri": "s3://artifacts/market/indicators/_schema/latest.json",
                "--codec": "zstd",
                "--target_file_mb": "256",
                "--lookback_days": "252",
                "--output_partitions": "4",
            },
            "catalog_update": "force",
        })
    );
}

#[tokio::test]
async fn refusals_are_answers_that_name_the_field() {
    let key = "market/prices/interval=1d/data_source=yahoo_finance/year=2024/month=12/day=06/IBM.json";
    let from_key = |key: &str| json!({"ds": null, "source_bucket": "raw", "source_key": key});
    let cases = [
        (json!({"domain": null}), "PRE_VALIDATION_FAILED", "`domain` is required"),
        (json!({"table_name": " "}), "PRE_VALIDATION_FAILED", "`table_name` is required"),
        (json!({"interval": null}), "PRE_VALIDATION_FAILED", "`interval` is required"),
        (json!({"data_source": null, "source_key": "a/b.json"}), "PRE_VALIDATION_FAILED", "`data_source` is required"),
        (json!({"domain": "../market"}), "PRE_VALIDATION_FAILED", "`domain` is `../market`"),
        (json!({"table_name": "a/b"}), "PRE_VALIDATION_FAILED", "`table_name` is `a/b`"),
        (json!({"indicators_table_name": "_x"}), "PRE_VALIDATION_FAILED", "`indicators_table_name`"),
        (json!({"ds": "2024-02-30"}), "PRE_VALIDATION_FAILED", "`ds` is `2024-02-30`"),
        (json!({"ds": "20241206"}), "PRE_VALIDATION_FAILED", "`ds` is `20241206`"),
        (json!({"ds": 20241206}), "PRE_VALIDATION_FAILED", "`ds` is a number"),
        (json!({"ds": null}), "PRE_VALIDATION_FAILED", "no day is given"),
        (json!({"ds": null, "source_key": key}), "PRE_VALIDATION_FAILED", "no day is given"),
        (
            json!({"date_range": {"start": "2024-02-30", "end": "2024-03-01"}}),
            "PRE_VALIDATION_FAILED",
            "`date_range.start` is `2024-02-30`",
        ),
        (json!({"date_range": {"start": "2024-02-01"}}), "PRE_VALIDATION_FAILED", "`end` is required"),
        (json!({"date_range": "2024-02-01"}), "PRE_VALIDATION_FAILED", "`date_range` is a text"),
        (json!({"catalog_update": "sometimes"}), "PRE_VALIDATION_FAILED", "`catalog_update` is `sometimes`"),
        (json!({"reprocess": "perhaps"}), "PRE_VALIDATION_FAILED", "`reprocess`"),
        (from_key("a/IBM.json"), "PRE_VALIDATION_FAILED", "names no day"),
        (from_key("a/year=2024/month=02/day=30/IBM.json"), "PRE_VALIDATION_FAILED", "2024-02-30"),
        (from_key("a/IBM.txt"), "IGNORED_OBJECT", "`a/IBM.txt` ends in none of"),
        (
            json!({"ds": null, "source_bucket": "raw", "source_key": key, "allowed_suffixes": [".manifest.json"]}),
            "IGNORED_OBJECT",
            ".manifest.json",
        ),
        (
            json!({"ds": null, "source_bucket": "raw", "source_key": key, "allowed_suffixes": [1]}),
            "PRE_VALIDATION_FAILED",
            "`allowed_suffixes`",
        ),
    ];
    let (_place, lake) = lake();
    for (changes, code, part) in cases {
        let output = ask(&lake, &input(changes.clone())).await;
        assert_eq!(output["proceed"], false, "{changes}: {output}");
        assert_eq!(output["error"]["code"], code, "{changes}: {output}");
        assert!(output["error"]["message"].as_str().unwrap().contains(part), "{changes}: {output}");
        assert_eq!(output["reason"], output["error"]["message"], "{changes}");
    }
    assert_eq!(ask(&lake, &json!("2024-12-06")).await["error"]["code"], "PRE_VALIDATION_FAILED");
}

#[tokio::test]
async fn the_day_and_the_pair_are_found_in_the_key() {
    let (_place, lake) = lake();
    for key in [
        "market/prices/interval=1h/data_source=exchange/year=2024/month=12/day=06/_batch.manifest.json",
        "market/prices/interval=1h/data_source=exchange/ingestion_date=2024-12-06/IBM.JSON",
        "market/prices/interval%3D1h/data_source%3Dexchange/year%3D2024/month%3D12/day%3D6/IBM.csv.gz",
    ] {
        let changes =
            json!({"ds": null, "interval": null, "data_source": null, "source_bucket": "raw", "source_key": key});
        let output = ask(&lake, &input(changes)).await;
        assert_eq!(output["ds"], "2024-12-06", "{key}: {output}");
        assert_eq!(output["glue_args"]["--raw_prefix"], "market/prices/interval=1h/data_source=exchange/", "{key}");
    }
}

#[tokio::test]
async fn buckets_and_numbers_must_be_configured() {
    let (_place, lake) = lake();
    for missing in ["RAW_BUCKET", "CURATED_BUCKET", "ARTIFACTS_BUCKET"] {
        let config = Config::read(|name| variable(name).filter(|_| name != missing));
        let output = answer(&lake, config, &input(json!({}))).await.unwrap();
        assert_eq!(output["error"]["code"], "PRE_VALIDATION_FAILED");
        assert!(output["reason"].as_str().unwrap().contains(missing), "{output}");
    }
    for (name, value) in
        [("MAX_BACKFILL_DAYS", "0"), ("EXPECTED_MIN_RECORDS", "-1"), ("MAX_CRITICAL_ERROR_RATE", "NaN")]
    {
        let config = Config::read(|asked| if asked == name { Some(value.to_owned()) } else { variable(asked) });
        let output = answer(&lake, config, &input(json!({}))).await.unwrap();
        assert!(output["reason"].as_str().unwrap().contains(name), "{output}");
    }
    let named = Config::read(|name| variable(name).filter(|_| name != "RAW_BUCKET"));
    let output = answer(&lake, named, &input(json!({"raw_bucket": "mine"}))).await.unwrap();
    assert_eq!(output["glue_args"]["--raw_bucket"], "mine");
}

#[tokio::test]
async fn a_processed_day_is_skipped_and_a_half_processed_one_resumed() {
    let (_place, lake) = lake();
    let legacy = lake.folder("curated", "market/old/ds=2024-12-06").unwrap();
    legacy.put("part.parquet", "PAR1").await.unwrap();
    let stale = lake.folder("curated", "market/stale/ds=2024-12-06").unwrap();
    stale.put("part.parquet", "PAR1").await.unwrap();
    complete(&lake, "stale", "2024-12-05").await;
    complete(&lake, "done", "2024-12-06").await;
    complete(&lake, "done_indicators", "2024-12-06").await;

    let skip = json!("IDEMPOTENT_SKIP");
    let (null, resume) = (Value::Null, json!("indicators"));
    let cases = [
        ("done", "done_indicators", false, false, &skip, &null),
        ("done", "done_indicators", true, true, &null, &null),
        ("done", "none", false, true, &null, &resume),
        ("done", "none", true, true, &null, &null),
        ("done", "old", false, false, &skip, &null),
        ("done", "stale", false, true, &null, &resume),
        ("none", "done_indicators", false, true, &null, &null),
        ("old", "done_indicators", false, false, &skip, &null),
        ("stale", "done_indicators", false, true, &null, &null),
    ];
    for (prices, indicators, reprocess, proceed, code, resume_from) in cases {
        let changes = json!({"table_name": prices, "indicators_table_name": indicators, "reprocess": reprocess});
        let output = ask(&lake, &input(changes.clone())).await;
        let field = |value: &Value| value.clone();
        assert_eq!(output["proceed"], proceed, "{changes}: {output}");
        assert_eq!(output.get("resume_from").map_or(Value::Null, field), *resume_from, "{changes}: {output}");
        assert_eq!(output.pointer("/error/code").map_or(Value::Null, field), *code, "{changes}: {output}");
        if !proceed {
            assert_eq!((&output["reason"], &output["ds"]), (&json!("Already processed"), &json!("2024-12-06")));
        }
    }
}

#[tokio::test]
async fn a_range_is_a_list_of_days_swapped_and_cut() {
    let (_place, lake) = lake();
    complete(&lake, "prices", "2024-02-28").await;
    complete(&lake, "indicators", "2024-02-28").await;
    let range = |start: &str, end: &str| input(json!({"ds": null, "date_range": {"start": start, "end": end}}));
    for (start, end) in [("2024-02-28", "2024-03-01"), ("2024-03-01", "2024-02-28")] {
        let output = ask(&lake, &range(start, end)).await;
        let days: Vec<_> =
            output["dates"].as_array().unwrap().iter().map(|day| (&day["ds"], &day["proceed"])).collect();
        let expected = [("2024-02-28", false), ("2024-02-29", true), ("2024-03-01", true)]
            .map(|(ds, proceed)| (json!(ds), json!(proceed)));
        assert_eq!(days, expected.iter().map(|(ds, proceed)| (ds, proceed)).collect::<Vec<_>>());
        assert!(output.get("truncated_days").is_none());
    }
    let output = ask(&lake, &range("2024-01-01", "2024-02-05")).await;
    assert_eq!((output["dates"].as_array().unwrap().len(), &output["truncated_days"]), (31, &json!(5)));
    assert_eq!(output["dates"][30]["ds"], "2024-01-31");
}

#[tokio::test]
async fn another_interval_or_source_needs_another_table() {
    let (_place, lake) = lake();
    let table = lake.folder("curated", "market/prices").unwrap();
    record_source_pair(&table, "1d", "yahoo_finance").await.unwrap();
    for (changes, proceed) in [
        (json!({}), true),
        (json!({"interval": "1h"}), false),
        (json!({"data_source": "exchange"}), false),
        (json!({"interval": "1h", "table_name": "prices_1h"}), true),
    ] {
        let output = ask(&lake, &input(changes.clone())).await;
        assert_eq!(output["proceed"], proceed, "{changes}: {output}");
        if !proceed {
            assert_eq!(output["error"]["code"], "PRE_VALIDATION_FAILED");
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_storage_is_raised_not_read_as_absent() {
    let (place, lake) = lake();
    let table = place.path().join("curated/market/prices");
    std::fs::create_dir_all(&table).unwrap();
    // A link to itself cannot be listed.
    std::os::unix::fs::symlink("ds=2024-12-06", table.join("ds=2024-12-06")).unwrap();
    let error = answer(&lake, Config::read(variable), &input(json!({}))).await.unwrap_err();
    assert_eq!(error.code, Code::StorageError);
    let other_day = ask(&lake, &input(json!({"ds": "2024-12-05"}))).await;
    assert_eq!(other_day["proceed"], true, "{other_day}");
}
