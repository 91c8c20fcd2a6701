//! The star-schema pipeline as its users run it: CSV files loaded by hand, runs asked for over REST, what the ledger says
//! and what a reader finds.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{STEPWELL, Site, WAIT_MAX, root};

const PIPELINE: &str = "star-schema";
const DS: &str = "2025-01-04";

/// `stepwell job star-schema-silver-load` of a folder of CSV files.
async fn load(site: &Site, source: &Path) -> Value {
    let output = Command::new(STEPWELL)
        .args(["job", "star-schema-silver-load", "--SILVER_BASE", "s3://dev-silver/star/", "--source"])
        .arg(source)
        .env("STEPWELL_LAKE", site.lake())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(WAIT_MAX, output).await.expect("the job ends").expect("the job starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(said.lines().last().expect("a result")).expect("JSON")
}

async fn run(site: &Site, body: Value) -> Value {
    let (status, _, started) = site.ask(PIPELINE, &body).await;
    assert_eq!(status, 202, "{started}");
    site.ended(started["execution_arn"].as_str().expect("an ARN")).await
}

async fn ledger(site: &Site, ds: &str) -> Value {
    let (status, list) = site.get(&format!("/api/v1/pipelines/{PIPELINE}/partitions?from={ds}&to={ds}")).await;
    assert_eq!(status, 200, "{list}");
    list["items"].as_array().expect("a list").iter().find(|row| row["partition"] == ds).cloned().unwrap_or_default()
}

/// The rows of a table, by its `_SUCCESS`.
fn rows(site: &Site, table: &str) -> Option<u64> {
    let success = std::fs::read(site.lake().join("dev-gold/star").join(table).join("_SUCCESS")).ok()?;
    let success: Value = serde_json::from_slice(&success).expect("JSON");
    success["rows"].as_u64()
}

#[tokio::test]
async fn a_snapshot_is_built_verified_and_in_the_ledger() {
    let site = Site::with_worker().await;
    let loaded = load(&site, &root().join("tests/data/star_schema")).await;
    assert_eq!(loaded["metrics"]["rows"], 723, "{loaded:#}");

    let execution = run(&site, json!({ "ds": DS })).await;
    assert_eq!(execution["status"], "SUCCEEDED", "{execution:#}");
    let states: Vec<&str> =
        execution["reports"].as_array().unwrap().iter().filter_map(|report| report["state"].as_str()).collect();
    assert_eq!(states, ["SilverToGold", "Verify"], "{execution:#}");
    let row = ledger(&site, DS).await;
    assert_eq!(
        (&row["outcome"], &row["rows"], &row["execution_arn"]),
        (&json!("SUCCEEDED"), &json!(1238), &execution["arn"]),
        "{row:#}"
    );
    for (table, expected) in [
        ("dim/dim_users", 60),
        ("dim/dim_country", 6),
        ("dim/dim_status", 5),
        ("dim/dim_date", 10),
        ("fact/fact_events", 400),
        ("fact/fact_transactions", 250),
        ("fact/fact_user_activity", 417),
        ("mart/daily_revenue", 10),
        ("mart/daily_active_users", 10),
        ("mart/user_ltv", 70),
        ("quarantine/events", 2),
    ] {
        assert_eq!(rows(&site, table), Some(expected), "{table}");
    }
    assert!(site.lake().join(format!("dev-gold/star/_metrics/ds={DS}/user_ltv.json")).exists());

    let (_, listed) = site.get(&format!("/api/v1/pipelines/{PIPELINE}")).await;
    assert_eq!(listed["problem"], Value::Null, "{listed:#}");

    // The same day again: all of it is made anew, and is the same.
    let again = run(&site, json!({ "ds": DS })).await;
    assert_eq!(again["status"], "SUCCEEDED", "{again:#}");
    assert_eq!(ledger(&site, DS).await["rows"], 1238);
}

#[tokio::test]
async fn bad_silver_fails_with_its_code_and_an_alert_and_gold_stays() {
    let site = Site::with_worker().await;
    let execution = run(&site, json!({ "ds": DS })).await;
    assert_eq!((&execution["status"], &execution["error"]), (&json!("FAILED"), &json!("SILVER_INPUT_MISSING")));
    assert!(execution["reports"].as_array().unwrap().is_empty(), "no job ran: {execution:#}");

    load(&site, &root().join("tests/data/star_schema")).await;
    assert_eq!(run(&site, json!({ "ds": DS })).await["status"], "SUCCEEDED");
    let source = tempfile::tempdir().unwrap();
    let blanks = ",U001,2024-12-26,PE,2024-12-26\n".repeat(500);
    std::fs::write(source.path().join("events.csv"), format!("event_id,user_id,ts,country,event_date\n{blanks}"))
        .unwrap();
    load(&site, source.path()).await;
    let began = std::time::Instant::now();
    let failed = run(&site, json!({ "ds": "2025-01-05" })).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("DQ_FAILED")), "{failed:#}");
    assert!(began.elapsed() < WAIT_MAX, "data quality is not tried again after ten minutes");
    let row = ledger(&site, "2025-01-05").await;
    assert_eq!(row["outcome"], "FAILED", "{row:#}");
    assert!(row["reason"].as_str().unwrap().contains("have no event_id"), "{row:#}");
    assert_eq!(rows(&site, "fact/fact_events"), Some(400), "gold is as it was");

    let (_, outbox) = site.get("/api/v1/outbox").await;
    let told: Vec<&Value> = outbox["items"].as_array().unwrap().iter().filter(|m| m["channel"] == "sns").collect();
    let codes: Vec<&Value> = told.iter().map(|m| &m["payload"]["message"]["error"]["code"]).collect();
    assert_eq!(codes.len(), 2, "one alert per failure: {outbox:#}");
    assert!(codes.contains(&&json!("DQ_FAILED")) && codes.contains(&&json!("SILVER_INPUT_MISSING")), "{outbox:#}");
}
