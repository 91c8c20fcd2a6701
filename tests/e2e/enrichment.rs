//! The enrichment pipelines as their users run them: over REST, by a real server and worker.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use workers::lake::Lake;
use workers::lake::delta::Delta;

use crate::support::{Site, development_data, until};

const DS: &str = "2025-06-11";
const SOON: Duration = Duration::from_secs(90);

/// Puts lookups and one of the raw files of the development data where the pipeline expects them.
fn deliver(site: &Site, ds: &str, raw: &str) {
    let (data, bucket) = (development_data("enrichment_gold"), site.lake().join("dev-enrichment"));
    let copy = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to.parent().expect("a folder in the lake")).expect("the folder can be made");
        std::fs::copy(from, to).expect("the file can be copied");
    };
    for entry in std::fs::read_dir(data.join("lookups")).expect("the development data are there") {
        let path = entry.expect("an entry").path();
        copy(&path, &bucket.join("lookups").join(path.file_name().expect("a name")));
    }
    copy(&data.join("stream_input").join(raw), &bucket.join(format!("raw/stream_input/ds={ds}")).join(raw));
}

async fn run(site: &Site, pipeline: &str, body: Value) -> Value {
    let (status, _, started) = site.ask(pipeline, &body).await;
    assert_eq!(status, 202, "{started}");
    site.ended(started["execution_arn"].as_str().expect("an ARN")).await
}

async fn partition(site: &Site, ds: &str) -> Value {
    let (status, list) = site.get(&format!("/api/v1/pipelines/enrichment/partitions?from={ds}&to={ds}")).await;
    assert_eq!(status, 200, "{list}");
    list["items"].as_array().expect("a list").iter().find(|row| row["partition"] == ds).cloned().unwrap_or_default()
}

/// Rows of a table; none if it does not exist.
async fn rows(site: &Site, table: &str) -> u64 {
    let lake = Lake::at(site.lake().to_str().expect("a path of text")).expect("a lake");
    let folder = lake.folder("dev-enrichment", &format!("delta/{table}")).expect("a folder");
    match Delta::open(&folder).await.expect("the table can be read") {
        Some(table) => table.details().await.expect("the log can be read").rows,
        None => 0,
    }
}

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn a_day_of_raw_files_becomes_silver_and_gold_with_a_row_in_the_ledger() {
    let site = Site::with_worker().await;
    deliver(&site, DS, "stream_input_ingest_file.json");
    let first = run(&site, "enrichment", json!({ "ds": DS })).await;
    assert_eq!(first["status"], "SUCCEEDED", "{first:#}");
    let row = partition(&site, DS).await;
    assert_eq!((&row["outcome"], &row["execution_arn"]), (&json!("SUCCEEDED"), &first["arn"]), "{row:#}");
    assert!(row["rows"].as_i64() > Some(50) && row["bytes"].as_i64() > Some(0), "{row:#}");
    assert_eq!((rows(&site, "silver").await, rows(&site, "gold/high_risk_txns").await), (50, 50));

    // The next day brings a file whose transactions are of the day before.
    deliver(&site, "2025-06-12", "stream_input_ingest_file_2.json");
    let second = run(&site, "enrichment", json!({ "ds": "2025-06-12" })).await;
    assert_eq!(second["status"], "SUCCEEDED", "{second:#}");
    for (table, expected) in [
        ("silver", 100),
        ("gold/user_spend_summary", 43),
        ("gold/product_usage_metrics", 7),
        ("gold/high_risk_txns", 100),
    ] {
        assert_eq!(rows(&site, table).await, expected, "{table}");
    }
    let row = partition(&site, "2025-06-12").await;
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(150)), "{row:#}");

    let again = run(&site, "enrichment", json!({ "ds": DS })).await;
    assert_eq!(again["status"], "SUCCEEDED", "{again:#}");
    let row = partition(&site, DS).await;
    assert_eq!(row["outcome"], "SUCCEEDED", "what was made stays in: {row:#}");
    assert!(row["reason"].as_str().is_some_and(|reason| reason.starts_with("IDEMPOTENT_SKIP")), "{row:#}");

    let forced = run(&site, "enrichment", json!({ "ds": DS, "reprocess": true })).await;
    assert_eq!(forced["status"], "SUCCEEDED", "{forced:#}");
    let row = partition(&site, DS).await;
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(150)), "{row:#}");
    assert_eq!(rows(&site, "gold/high_risk_txns").await, 100);
}

#[tokio::test]
async fn a_day_that_cannot_be_made_fails_with_its_code_and_an_alert() {
    let site = Site::with_worker().await;
    // Without lookups there is no silver.
    let raw = site.lake().join(format!("dev-enrichment/raw/stream_input/ds={DS}"));
    std::fs::create_dir_all(&raw).expect("the folder can be made");
    std::fs::write(raw.join("a.json"), "{}\n").expect("the file can be written");
    let failed = run(&site, "enrichment", json!({ "ds": DS })).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("SILVER_INPUT_MISSING")), "{failed:#}");
    let row = partition(&site, DS).await;
    assert_eq!(row["outcome"], "FAILED", "{row:#}");
    let (_, outbox) = site.get("/api/v1/outbox").await;
    let messages: Vec<&Value> =
        outbox["items"].as_array().expect("a list").iter().filter(|message| message["channel"] == "sns").collect();
    assert_eq!(messages.len(), 1, "one failure, one alert: {outbox:#}");
    assert_eq!(messages[0]["payload"]["message"]["error"]["code"], "SILVER_INPUT_MISSING", "{outbox:#}");
}

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn the_stream_follows_silver_until_its_execution_is_stopped() {
    let site = Site::with_worker().await;
    let (status, _, started) = site.ask("enrichment-stream", &json!({ "ds": DS })).await;
    assert_eq!(status, 202, "{started}");
    let arn = started["execution_arn"].as_str().expect("an ARN").to_owned();
    deliver(&site, DS, "stream_input_ingest_file.json");
    // Silver comes from the daily machine's first step; here by hand, as an operator would.
    let ingest = tokio::process::Command::new(crate::support::STEPWELL)
        .args(["job", "enrichment-silver", "--root=dev-enrichment"])
        .env("STEPWELL_LAKE", site.lake())
        .output()
        .await
        .expect("the job starts");
    assert!(ingest.status.success(), "{}", String::from_utf8_lossy(&ingest.stderr));
    until("the first file is in gold", SOON, || async {
        (rows(&site, "gold/high_risk_txns").await == 50).then_some(())
    })
    .await;
    let (_, now) = site.get(&format!("/api/v1/executions/{arn}")).await;
    assert_eq!(now["status"], "RUNNING", "{now:#}");
    site.call("StopExecution", &json!({ "executionArn": arn })).await;
    let stopped = site.ended(&arn).await;
    assert_eq!(stopped["status"], "ABORTED", "{stopped:#}");
    // The job gives its lock back between two batches: that is its graceful end.
    let lock = site.lake().join("dev-enrichment/checkpoints/_locks/gold.json");
    until("the stream has ended", SOON, || async { (!lock.exists()).then_some(()) }).await;
}
