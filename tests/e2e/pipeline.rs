//! The daily-prices pipeline as its users run it: `stepwell up`, runs asked for over REST, and what the ledger says.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;
use workers::lake::{Lake, Table};

use crate::support::{PIPELINE, STEPWELL, Site, WAIT_MAX, root};

/// `stepwell up --once --days 2` on a folder: what it prints.
async fn up_once(data: &std::path::Path) -> String {
    let output = Command::new(STEPWELL)
        .env_remove("DATABASE_URL")
        .args(["up", "--once", "--days", "2", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .arg("--state-machines")
        .arg(root().join("state-machines"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(WAIT_MAX, output).await.expect("`up --once` ends").expect("`up` starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
    out.into_owned()
}

#[tokio::test]
async fn up_once_runs_the_sample_days_and_a_second_one_finds_them_in() {
    let folder = tempfile::tempdir().unwrap();
    let first = up_once(&folder.path().join("data")).await;
    assert_eq!(first.matches("succeeded in").count(), 2, "{first}");
    let second = up_once(&folder.path().join("data")).await;
    assert_eq!((second.matches("  is in").count(), second.matches("succeeded in").count()), (2, 0), "{second}");

    let site = Site::on(folder, &root().join("state-machines")).await;
    let (_, runs) = site.get(&format!("/api/v1/executions?pipeline={PIPELINE}")).await;
    let runs: Vec<&Value> =
        runs["items"].as_array().unwrap().iter().filter(|run| run["pipeline"] == PIPELINE).collect();
    assert_eq!(runs.len(), 2, "the second `up` started no run: {runs:#?}");
    for ds in ["2013-02-28", "2013-03-01"] {
        let row = site.partition(ds).await;
        assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(4)), "{row:#}");
    }
}

/// Columns that tell of the run that wrote a row.
const AUDIT: [&str; 3] = ["batch_id", "created_at", "updated_at"];

/// The curated rows of a day: prices, then indicators.
async fn curated(site: &Site, ds: &str) -> Vec<String> {
    let lake = Lake::at(site.lake().to_str().unwrap()).unwrap();
    let mut rows = Vec::new();
    for table in ["market/prices/", "market/indicators/"] {
        let table = Table::new(lake.folder("dev-curated", table).unwrap());
        let read = table.partition(ds).read().await.unwrap().unwrap_or_else(|| panic!("no partition {ds}"));
        let frame = read.frame;
        let names: Vec<String> = frame.get_column_names().iter().map(|name| name.to_string()).collect();
        assert!(names.len() > 7, "{names:?}");
        for n in 0..frame.height() {
            let of_data = frame.columns().iter().filter(|column| !AUDIT.contains(&column.name().as_str()));
            rows.push(of_data.map(|column| format!("{}={:?}", column.name(), column.get(n).unwrap())).collect());
        }
    }
    rows
}

#[tokio::test]
async fn a_day_runs_once_is_left_alone_then_and_made_again_on_demand() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-05", 0);
    let first = site.run(json!({ "ds": "2024-12-05" })).await;
    assert_eq!(first["status"], "SUCCEEDED", "{first:#}");
    let row = site.partition("2024-12-05").await;
    assert_eq!(
        (&row["outcome"], &row["rows"], &row["execution_arn"]),
        (&json!("SUCCEEDED"), &json!(20), &first["arn"]),
        "{row:#}"
    );
    assert!(row["bytes"].as_i64() > Some(0) && row["files"].as_i64() > Some(0), "{row:#}");
    let made = curated(&site, "2024-12-05").await;
    assert_eq!(made.len(), 40, "20 prices and their indicators");

    let second = site.run(json!({ "ds": "2024-12-05" })).await;
    assert_eq!(second["status"], "SUCCEEDED", "{second:#}");
    let jobs: Vec<&str> = second["reports"].as_array().unwrap().iter().filter_map(|r| r["state"].as_str()).collect();
    assert!(jobs.is_empty(), "no job ran again: {jobs:?}");
    let row = site.partition("2024-12-05").await;
    // It is in, with the figures of the run that made it; the reason tells of the one that looked.
    assert_eq!(
        (&row["outcome"], &row["rows"], &row["execution_arn"]),
        (&json!("SUCCEEDED"), &json!(20), &first["arn"]),
        "{row:#}"
    );
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.starts_with("IDEMPOTENT_SKIP") && reason.contains(second["arn"].as_str().unwrap()), "{row:#}");

    let third = site.run(json!({ "ds": "2024-12-05", "reprocess": true })).await;
    assert_eq!(third["status"], "SUCCEEDED", "{third:#}");
    let row = site.partition("2024-12-05").await;
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SUCCEEDED"), &json!(20)), "{row:#}");
    assert_eq!(curated(&site, "2024-12-05").await, made, "the same raw objects make the same rows");
}

#[tokio::test]
async fn a_day_without_raw_data_is_skipped_and_says_so() {
    let site = Site::with_worker().await;
    let run = site.run(json!({ "ds": "2024-12-07" })).await;
    assert_eq!(run["status"], "SUCCEEDED", "{run:#}");
    let row = site.partition("2024-12-07").await;
    assert_eq!((&row["outcome"], &row["rows"]), (&json!("SKIPPED"), &Value::Null), "{row:#}");
    assert!(row["reason"].as_str().unwrap().starts_with("NO_RAW_DATA"), "{row:#}");
}

#[tokio::test]
async fn a_day_of_bad_records_fails_with_its_code_and_an_alert() {
    let site = Site::with_worker().await;
    // 2 of 20 are 10 %; the limit is 5 %.
    site.deliver("2024-12-06", 2);
    let run = site.run(json!({ "ds": "2024-12-06" })).await;
    assert_eq!((&run["status"], &run["error"]), (&json!("FAILED"), &json!("DQ_FAILED")), "{run:#}");
    let row = site.partition("2024-12-06").await;
    assert_eq!(row["outcome"], "FAILED", "{row:#}");
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.starts_with("DQ_FAILED: negative price present (2 records)"), "{reason}");
    assert!(!site.lake().join("dev-curated/market/prices/ds=2024-12-06").exists(), "nothing was published");
    assert!(
        site.lake().join("dev-curated/market/prices/quarantine/ds=2024-12-06").exists(),
        "the rows can be looked at"
    );

    let (_, outbox) = site.get("/api/v1/outbox").await;
    let messages: Vec<&Value> = outbox["items"].as_array().unwrap().iter().filter(|m| m["channel"] == "sns").collect();
    assert_eq!(messages.len(), 1, "one failure, one alert: {outbox:#}");
    assert_eq!(messages[0]["payload"]["message"]["error"]["code"], "DQ_FAILED", "{outbox:#}");
    assert_eq!(messages[0]["payload"]["message"]["ds"], "2024-12-06", "{outbox:#}");

    site.deliver("2024-12-06", 0);
    let run = site.run(json!({ "ds": "2024-12-06" })).await;
    assert_eq!(run["status"], "SUCCEEDED", "the corrected day goes through: {run:#}");
    assert_eq!(site.partition("2024-12-06").await["outcome"], "SUCCEEDED");
}

#[tokio::test]
async fn a_plain_start_execution_updates_the_ledger_too() {
    let site = Site::with_worker().await;
    site.deliver("2024-12-09", 0);
    let input = json!({ "ds": "2024-12-09", "domain": "market", "table_name": "prices", "raw_bucket": "dev-raw" });
    let machine = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{PIPELINE}");
    let started = site.call("StartExecution", &json!({ "stateMachineArn": machine, "input": input.to_string() })).await;
    let arn = started["executionArn"].as_str().unwrap_or_else(|| panic!("{started}"));
    let run = site.ended(arn).await;
    assert_eq!(run["status"], "SUCCEEDED", "{run:#}");
    let row = site.partition("2024-12-09").await;
    assert_eq!(
        (&row["outcome"], &row["rows"], &row["execution_arn"]),
        (&json!("SUCCEEDED"), &json!(20), &json!(arn)),
        "{row:#}"
    );
}

#[tokio::test]
async fn requests_that_cannot_be_meant_are_refused_by_name() {
    let site = Site::without_worker().await;
    for (pipeline, body, status, field) in [
        (PIPELINE, json!({ "ds": "2024-02-30" }), 400, "ds"),
        (PIPELINE, json!({}), 400, "ds"),
        (PIPELINE, json!({ "date_range": { "start": "2024-01-01", "end": "2024-12-31" } }), 400, "date_range"),
        ("nothing", json!({ "ds": "2024-12-05" }), 404, "name"),
    ] {
        let (found, kind, problem) = site.ask(pipeline, &body).await;
        assert_eq!((found, kind.as_str()), (status, "application/problem+json"), "{body}: {problem}");
        assert_eq!((&problem["field"], &problem["status"]), (&json!(field), &json!(status)), "{body}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{body}: {problem}");
    }
    let (_, runs) = site.get("/api/v1/executions").await;
    assert_eq!(runs["items"], json!([]), "nothing was started");
}

#[tokio::test]
async fn a_second_run_of_a_day_in_progress_is_refused_with_the_one_that_runs() {
    // Nobody works for this server, so the first run waits in its first task.
    let site = Site::without_worker().await;
    let (status, _, first) = site.ask(PIPELINE, &json!({ "ds": "2024-12-05" })).await;
    assert_eq!(status, 202, "{first}");
    let (status, kind, problem) = site.ask(PIPELINE, &json!({ "ds": "2024-12-05", "reprocess": true })).await;
    assert_eq!((status, kind.as_str()), (409, "application/problem+json"), "{problem}");
    assert_eq!((&problem["field"], &problem["execution_arn"]), (&json!("ds"), &first["execution_arn"]), "{problem}");
    let (status, _, other) = site.ask(PIPELINE, &json!({ "ds": "2024-12-06" })).await;
    assert_eq!(status, 202, "another day is free: {other}");

    site.call("StopExecution", &json!({ "executionArn": first["execution_arn"] })).await;
    let stopped = site.ended(first["execution_arn"].as_str().unwrap()).await;
    assert_eq!(stopped["status"], "ABORTED", "{stopped:#}");
    let (status, _, again) = site.ask(PIPELINE, &json!({ "ds": "2024-12-05" })).await;
    assert_eq!(status, 202, "the day is free again: {again}");
}
