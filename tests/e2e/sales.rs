//! The fact-sales pipeline as its users run it: files arrive, a ds is asked for over REST, the ledger and the tables tell.

use serde_json::{Value, json};

use crate::support::Site;

const PIPELINE: &str = "fact-sales";
const HEADER: &str = "transaction_id,store_id,timestamp,item_id,quantity,unit_price,revenue";

/// A file of good rows of a day, and one that is no sale.
fn sales(day: &str, ids: std::ops::Range<u32>) -> String {
    let rows: String = ids.map(|id| format!("T{id},S1,{day} 10:00,I1,2,2.50,5.00\n")).collect();
    format!("{HEADER}\n{rows}T,S1,never,I1,1,1,1\n")
}

/// Puts a file where files arrive.
fn deliver(site: &Site, name: &str, text: &str) {
    let folder = site.lake().join("dev-sales/raw");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}

async fn run(site: &Site, body: Value) -> Value {
    let (status, _, started) = site.ask(PIPELINE, &body).await;
    assert_eq!(status, 202, "{started}");
    site.ended(started["execution_arn"].as_str().unwrap()).await
}

async fn partition(site: &Site, ds: &str) -> Value {
    let (status, list) = site.get(&format!("/api/v1/pipelines/{PIPELINE}/partitions?from={ds}&to={ds}")).await;
    assert_eq!(status, 200, "{list}");
    let rows = list["items"].as_array().unwrap();
    rows.iter().find(|row| row["partition"] == ds).cloned().unwrap_or_default()
}

/// The table in the local catalog.
async fn table(site: &Site) -> Value {
    let (_, tables) = site.get("/api/v1/tables").await;
    let tables = tables["items"].as_array().cloned().unwrap_or_default();
    tables.into_iter().find(|table| table["name"] == "curated_fact_sales").unwrap_or_default()
}

#[tokio::test]
async fn a_day_is_ingested_compacted_shown_left_alone_and_made_again() {
    let site = Site::with_worker().await;
    deliver(&site, "a.csv", &sales("2024-12-07", 0..20));
    let first = run(&site, json!({ "ds": "2024-12-07" })).await;
    assert_eq!(first["status"], "SUCCEEDED", "{first:#}");
    let row = partition(&site, "2024-12-07").await;
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(20)), "{row:#}");
    assert_eq!(row["execution_arn"], first["arn"], "{row:#}");
    let found = table(&site).await;
    assert_eq!(found["partitions"][0]["values"], json!(["2024-12-07"]), "{found:#}");
    assert_eq!(found["partitions"][0]["rows"], 20, "{found:#}");
    assert_eq!(found["partition_keys"][0]["name"], "date", "{found:#}");
    let columns = found["columns"].as_array().unwrap();
    assert_eq!((columns.len(), &columns[13]["name"]), (14, &json!("row_hash")), "{found:#}");
    assert_eq!(std::fs::read_dir(site.lake().join("dev-sales/raw")).unwrap().count(), 0, "the file was taken");
    let reports = first["reports"].as_array().unwrap();
    let checks = |report: &Value| report["report"]["metrics"]["quality"].as_array().map_or(0, Vec::len);
    assert!(reports.iter().filter(|report| checks(report) > 0).count() == 2, "both jobs tell of quality: {reports:#?}");

    let second = run(&site, json!({ "ds": "2024-12-07" })).await;
    assert_eq!(second["status"], "SUCCEEDED", "{second:#}");
    let row = partition(&site, "2024-12-07").await;
    // It is in, with the figures of the run that made it; the reason tells of the one that looked.
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(20)), "{row:#}");
    assert!(row["reason"].as_str().unwrap().starts_with("IDEMPOTENT_SKIP"), "{row:#}");

    // The same sales under another name, and one more: late data of a day that is in.
    deliver(&site, "late.csv", &sales("2024-12-07", 0..21));
    let third = run(&site, json!({ "ds": "2024-12-07" })).await;
    assert_eq!(third["status"], "SUCCEEDED", "{third:#}");
    let row = partition(&site, "2024-12-07").await;
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(21)), "{row:#}");

    let again = run(&site, json!({ "ds": "2024-12-07", "reprocess": true })).await;
    assert_eq!(again["status"], "SUCCEEDED", "{again:#}");
    let row = partition(&site, "2024-12-07").await;
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(21)), "{row:#}");
    assert_eq!(table(&site).await["partitions"][0]["rows"], 21);
}

#[tokio::test]
async fn a_day_without_sales_is_skipped_and_says_so() {
    let site = Site::with_worker().await;
    let run = run(&site, json!({ "ds": "2024-12-07" })).await;
    assert_eq!(run["status"], "SUCCEEDED", "{run:#}");
    let row = partition(&site, "2024-12-07").await;
    assert_eq!(row["outcome"], "SKIPPED", "{row:#}");
    assert!(row["reason"].as_str().unwrap().starts_with("NO_INPUT_DATA"), "{row:#}");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_fails_the_run_with_an_alert_after_the_others_are_in() {
    let site = Site::with_worker().await;
    deliver(&site, "good.csv", &sales("2024-12-07", 0..3));
    deliver(&site, "lacks.csv", "transaction_id,qty\nT,1\n");
    let failed = run(&site, json!({ "ds": "2024-12-07" })).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("MISSING_COLUMNS")), "{failed:#}");
    let row = partition(&site, "2024-12-07").await;
    assert_eq!(row["outcome"], "FAILED", "{row:#}");
    assert!(row["reason"].as_str().unwrap().contains("lacks.csv"), "{row:#}");
    assert_eq!(table(&site).await["partitions"][0]["rows"], 3, "the good file's sales are in gold");
    assert!(site.lake().join("dev-sales/rejected/structural/lacks.csv_reason.json").exists());

    let (_, outbox) = site.get("/api/v1/outbox").await;
    let messages: Vec<&Value> = outbox["items"].as_array().unwrap().iter().filter(|m| m["channel"] == "sns").collect();
    let messages: Vec<&Value> = messages.iter().map(|message| &message["payload"]["message"]).collect();
    let (alarms, alerts): (Vec<&Value>, Vec<&Value>) =
        messages.iter().partition(|message| message["status"] == "PUBLISHED_WITH_ALARMS");
    assert_eq!((alerts.len(), &alerts[0]["error"]["code"]), (1, &json!("MISSING_COLUMNS")), "{outbox:#}");
    assert_eq!(alerts[0]["ds"], "2024-12-07", "{outbox:#}");
    assert_eq!((alarms.len(), &alarms[0]["severity"]), (1, &json!("high")), "{outbox:#}");
    let text = alarms[0]["alarms"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("good.csv: 1 of 4 rows rejected"), "{text}");

    let next = run(&site, json!({ "ds": "2024-12-07", "reprocess": true })).await;
    assert_eq!(next["status"], "SUCCEEDED", "the file is out of the way: {next:#}");
    assert_eq!(partition(&site, "2024-12-07").await["rows"], 3);
}
