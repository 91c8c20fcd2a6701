//! Pipelines through REST: runs, the ledger, refusals, and what workers tell.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod support;

use axum::http::StatusCode;
use orchestrator::store::{ExecutionStatus, LedgerChange, MemoryStore, Outcome, Store as _};
use serde_json::{Value, json};

use support::{App, Options, job_failure};

const RUNS: &str = "/api/v1/pipelines/daily-prices/runs";
const DS: &str = "2024-12-06";

async fn app() -> App {
    App::daily_prices(Options::default()).await
}

/// With runs that wait for a worker in their first step.
async fn app_without_workers() -> App {
    let app = app().await;
    app.activity("dev-daily-prices-preflight").await;
    app
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {value}"))
}

#[tokio::test]
async fn a_run_is_started_and_its_partition_is_in_the_ledger() {
    let app = app().await;
    app.serve_daily_prices(|_, _| None).await;
    let (status, started) = app.call("POST", RUNS, Some(json!({ "ds": DS }))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{started}");
    assert_eq!(started["partitions"], json!([DS]));
    let arn = text(&started, "execution_arn");
    assert!(text(&started, "dashboard_url").ends_with(&format!("/executions/{arn}")), "{started}");

    let record = app.ended(arn).await;
    assert_eq!(record.status.as_str(), "SUCCEEDED", "{:?}", record.cause);
    let row = app.partition(DS).await;
    assert_eq!((text(&row, "outcome"), text(&row, "execution_arn")), ("SUCCEEDED", arn));

    let (_, listed) = app.call("GET", &format!("/api/v1/executions?pipeline=daily-prices&partition={DS}"), None).await;
    assert_eq!(listed["items"][0]["arn"], arn);
    let (_, detail) = app.call("GET", &format!("/api/v1/executions/{arn}"), None).await;
    assert_eq!((text(&detail, "trigger"), &detail["input"]["raw_bucket"]), ("rest", &json!("dev-raw")));
    let (_, pipelines) = app.call("GET", "/api/v1/pipelines", None).await;
    assert_eq!(
        (&pipelines["items"][0]["name"], &pipelines["items"][0]["problem"]),
        (&json!("daily-prices"), &Value::Null)
    );
    let (_, pipeline) = app.call("GET", "/api/v1/pipelines/daily-prices", None).await;
    assert_eq!(pipeline["partitions"][0]["partition"], DS);
}

#[tokio::test]
async fn a_partition_in_flight_is_refused_with_its_run() {
    let app = app_without_workers().await;
    let (_, first) = app.call("POST", RUNS, Some(json!({ "ds": DS }))).await;
    let (status, refusal) = app.call("POST", RUNS, Some(json!({ "ds": DS, "reprocess": true }))).await;
    assert_eq!((status, text(&refusal, "execution_arn")), (StatusCode::CONFLICT, text(&first, "execution_arn")));
    let range = json!({ "date_range": { "start": "2024-12-05", "end": "2024-12-07" } });
    assert_eq!(app.call("POST", RUNS, Some(range)).await.0, StatusCode::CONFLICT);
    let (status, _) = app.call("POST", RUNS, Some(json!({ "ds": "2024-12-07" }))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "another partition is free");

    let stop = format!("/api/v1/executions/{}/stop", text(&first, "execution_arn"));
    let (_, stopped) = app.call("POST", &stop, Some(json!({ "reason": "wrong day" }))).await;
    assert_eq!(stopped, json!({ "stopped": true }));
    let row = app.partition(DS).await;
    assert_eq!((text(&row, "outcome"), text(&row, "reason")), ("FAILED", "ABORTED: wrong day"));
    assert_eq!(app.call("POST", RUNS, Some(json!({ "ds": DS }))).await.0, StatusCode::ACCEPTED, "free again");
}

/// Asks for a run that may wait: the status and the answer.
async fn queued(app: &App, body: Value) -> Value {
    let mut asked = json!({ "ds": DS, "queue": true });
    asked.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let (status, answer) = app.call("POST", RUNS, Some(asked)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    answer
}

async fn stop(app: &App, run: &Value) -> (StatusCode, Value) {
    app.call("POST", &format!("/api/v1/executions/{}/stop", text(run, "execution_arn")), Some(json!({}))).await
}

#[tokio::test]
async fn a_queued_run_starts_when_the_one_in_flight_ends() {
    let app = app_without_workers().await;
    let first = queued(&app, json!({})).await;
    assert_eq!((text(&first, "status"), &first["fresh"]), ("STARTED", &json!(true)), "nobody is in its way");
    let second = queued(&app, json!({ "input": { "note": "second" } })).await;
    assert_eq!((text(&second, "status"), &second["started_at"]), ("QUEUED", &Value::Null));
    let third = queued(&app, json!({ "input": { "note": "third" } })).await;
    assert_eq!((&third["execution_arn"], &third["fresh"]), (&second["execution_arn"], &json!(false)), "one waits");
    let row = app.partition(DS).await;
    assert_eq!((text(&row, "outcome"), &row["execution_arn"]), ("RUNNING", &first["execution_arn"]));
    assert_eq!(row["queued"]["execution_arn"], second["execution_arn"]);
    // Who does not want to wait is refused still.
    assert_eq!(app.call("POST", RUNS, Some(json!({ "ds": DS }))).await.0, StatusCode::CONFLICT);

    assert_eq!(stop(&app, &first).await.1, json!({ "stopped": true }));
    let arn = text(&second, "execution_arn");
    let begun = app.until("the queued run starts", async || app.store().execution(arn).await.unwrap()).await;
    assert_eq!((begun.trigger.as_str(), begun.status), ("rest", ExecutionStatus::Running));
    assert_eq!(serde_json::from_str::<Value>(&begun.input).unwrap()["note"], "second");
    let row = app.partition(DS).await;
    assert_eq!((text(&row, "outcome"), text(&row, "execution_arn"), &row["queued"]), ("RUNNING", arn, &Value::Null));
    assert_eq!(stop(&app, &second).await.1, json!({ "stopped": true }));
    assert_eq!(text(&app.partition(DS).await, "outcome"), "FAILED");
}

#[tokio::test]
async fn a_queued_run_is_cancelled_by_its_stop() {
    let app = app_without_workers().await;
    let first = queued(&app, json!({})).await;
    let second = queued(&app, json!({})).await;
    assert_eq!(stop(&app, &second).await, (StatusCode::OK, json!({ "stopped": true })));
    assert_eq!(stop(&app, &second).await.0, StatusCode::NOT_FOUND, "it never was an execution");
    assert_eq!(app.partition(DS).await["queued"], Value::Null);
    // Another one may wait now, under its key.
    let key = [("idempotency-key", "q1")];
    let body = || Some(json!({ "ds": DS, "queue": true }).to_string());
    let (_, third) = app.call_with("POST", RUNS, &key, body()).await;
    assert_eq!(text(&third, "status"), "QUEUED");
    stop(&app, &first).await;
    let arn = text(&third, "execution_arn");
    app.until("the queued run starts", async || app.store().execution(arn).await.unwrap()).await;
    let (_, again) = app.call_with("POST", RUNS, &key, body()).await;
    assert_eq!((text(&again, "execution_arn"), text(&again, "status")), (arn, "STARTED"));
}

#[tokio::test]
async fn a_queued_run_survives_its_node() {
    let store = MemoryStore::new();
    let options = || Options { store: store.clone(), ..Options::default() };
    let (first, second) = {
        let app = App::daily_prices(options()).await;
        app.activity("dev-daily-prices-preflight").await;
        (queued(&app, json!({})).await, queued(&app, json!({})).await)
    };
    // The other node ends the first run without a word to this one, and dies before it starts the second.
    let record = store.execution(text(&first, "execution_arn")).await.unwrap().unwrap();
    let settled = LedgerChange::Settle {
        pipeline: "daily-prices".to_owned(),
        partition: DS.to_owned(),
        execution: record.id,
        outcome: Outcome::Succeeded,
        reason: None,
        in_place: false,
        at: record.started_at,
    };
    store.change_ledger(&[settled]).await.unwrap();
    let app = App::daily_prices(options()).await;
    let arn = text(&second, "execution_arn");
    app.until("the queued run starts", async || app.store().execution(arn).await.unwrap()).await;
}

#[tokio::test]
async fn a_run_that_finds_its_partition_in_place_leaves_its_figures() {
    let app = app().await;
    let skips = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let odd = skips.clone();
    app.serve_daily_prices(move |name, _| {
        let skip = json!({ "ds": DS, "proceed": false, "reason": "Already processed", "error": { "code": "IDEMPOTENT_SKIP", "message": "x" } });
        (name == "daily-prices-preflight" && odd.load(std::sync::atomic::Ordering::SeqCst)).then_some(Ok(skip))
    })
    .await;
    let run = async || {
        let arn =
            app.call("POST", RUNS, Some(json!({ "ds": DS }))).await.1["execution_arn"].as_str().unwrap().to_owned();
        app.ended(&arn).await
    };
    let made = run().await;
    let before = app.partition(DS).await;
    assert_eq!(text(&before, "outcome"), "SUCCEEDED");
    skips.store(true, std::sync::atomic::Ordering::SeqCst);
    let skipped = run().await;
    let after = app.partition(DS).await;
    assert_eq!((text(&after, "outcome"), text(&after, "execution_arn")), ("SUCCEEDED", made.arn.as_str()));
    for field in ["rows", "bytes", "files", "quality", "started_at", "ended_at"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    let reason = text(&after, "reason");
    assert!(reason.starts_with("IDEMPOTENT_SKIP") && reason.contains(&skipped.arn), "{reason}");
}

#[tokio::test]
async fn an_idempotency_key_is_one_run() {
    let app = app_without_workers().await;
    let key = [("idempotency-key", "7f0c")];
    let run = |ds: &str| json!({ "ds": ds }).to_string();
    let (_, first) = app.call_with("POST", RUNS, &key, Some(run(DS))).await;
    let (status, again) = app.call_with("POST", RUNS, &key, Some(run(DS))).await;
    assert_eq!(
        (status, &again["execution_arn"], &again["fresh"]),
        (StatusCode::ACCEPTED, &first["execution_arn"], &json!(false))
    );
    let arn = text(&first, "execution_arn");
    app.call("POST", &format!("/api/v1/executions/{arn}/stop"), Some(json!({}))).await;
    let (_, after) = app.call_with("POST", RUNS, &key, Some(run(DS))).await;
    assert_eq!(after["execution_arn"], first["execution_arn"], "also after its end");
    let (status, other) = app.call_with("POST", RUNS, &key, Some(run("2024-12-07"))).await;
    assert_eq!((status, text(&other, "field")), (StatusCode::UNPROCESSABLE_ENTITY, "Idempotency-Key"));
}

#[tokio::test]
async fn bad_requests_are_refused_with_field_and_remedy() {
    let app = app().await;
    for (body, status, field) in [
        (json!({}), 400, "ds"),
        (json!({ "ds": "2024-02-30" }), 400, "ds"),
        (json!({ "ds": "../../etc" }), 400, "ds"),
        (json!({ "ds": DS, "date_range": { "start": DS, "end": DS } }), 400, "date_range"),
        (json!({ "date_range": { "start": "x", "end": DS } }), 400, "date_range.start"),
        (json!({ "date_range": { "start": "2024-01-01", "end": DS } }), 400, "date_range"),
        (json!({ "date_range": { "start": DS } }), 400, "end"),
        (json!({ "ds": DS, "partition": "x" }), 400, "partition"),
        (json!({ "ds": DS, "input": { "ds": "2020-01-01" } }), 400, "input"),
        (json!({ "ds": DS, "input": { "note": "x".repeat(300_000) } }), 400, "input"),
        (json!({ "date_range": { "start": "2024-12-05", "end": DS }, "queue": true }), 400, "queue"),
    ] {
        let (got, problem) = app.call("POST", RUNS, Some(body.clone())).await;
        assert_eq!((got.as_u16(), problem["field"].as_str()), (status, Some(field)), "{problem}");
        assert!(problem["remedy"].is_string() && problem["title"] == "Bad Request", "{problem}");
    }
    for (method, path, body, status) in [
        ("POST", RUNS, Some("{ not json"), 400),
        ("POST", RUNS, Some("[]"), 400),
        ("POST", "/api/v1/pipelines/nothing/runs", Some(r#"{"ds":"2024-12-06"}"#), 404),
        ("GET", "/api/v1/pipelines/nothing", None, 404),
        ("GET", "/api/v1/pipelines/daily-prices/partitions?from=soon", None, 400),
        ("GET", "/api/v1/pipelines/daily-prices/partitions?since=2024-12-06", None, 400),
        ("GET", "/api/v1/pipelines/daily-prices/partitions?from=2024-12-06&to=2024-12-01", None, 400),
        ("GET", "/api/v1/executions?status=DONE", None, 400),
        ("GET", "/api/v1/executions?limit=0", None, 400),
        ("GET", "/api/v1/executions?next_token=x", None, 400),
        ("GET", "/api/v1/executions/arn:none", None, 404),
        ("GET", "/api/v1/executions/arn:none/logs", None, 404),
        ("GET", "/api/v1/executions/arn:none/logs?limit=0", None, 400),
        ("GET", "/api/v1/executions/arn:none/logs?next_token=x", None, 400),
        ("POST", "/api/v1/executions/arn:none/stop", Some("{}"), 404),
        ("GET", "/api/v1/nothing", None, 404),
        ("DELETE", "/api/v1/pipelines", None, 405),
        ("POST", "/api/v1/tasks/logs", Some(r#"{"taskToken":"x","lines":[]}"#), 400),
    ] {
        let (got, problem) = app.call_with(method, path, &[], body.map(str::to_owned)).await;
        assert_eq!(got.as_u16(), status, "{method} {path}: {problem}");
        assert!(problem["detail"].is_string() && problem["remedy"].is_string(), "{method} {path}: {problem}");
    }
    let (_, ledger) = app.call("GET", "/api/v1/pipelines/daily-prices/partitions", None).await;
    assert_eq!(ledger["items"], json!([]), "nothing half-done");
}

#[tokio::test]
async fn a_plain_start_execution_counts_as_a_run() {
    let app = app().await;
    app.serve_daily_prices(|name, _| {
        let skip = json!({ "ds": DS, "proceed": false, "reason": "Already processed", "error": { "code": "IDEMPOTENT_SKIP", "message": "x" } });
        (name == "daily-prices-preflight").then_some(Ok(skip))
    })
    .await;
    let input = json!({ "ds": DS, "domain": "market", "table_name": "prices", "raw_bucket": "raw" });
    let arn = app.start_execution("daily-prices", input).await;
    let record = app.ended(&arn).await;
    assert_eq!((record.pipeline.as_deref(), record.partition.as_deref()), (Some("daily-prices"), Some(DS)));
    let row = app.partition(DS).await;
    assert_eq!((text(&row, "outcome"), text(&row, "reason")), ("SKIPPED", "IDEMPOTENT_SKIP: Already processed"));
}

#[tokio::test]
async fn a_failed_backfill_keeps_the_days_that_were_done() {
    let app = app().await;
    app.serve_daily_prices(|name, ds| match (name, ds) {
        ("daily-prices-guard", "2024-12-04") => {
            Some(Ok(json!({ "ds": ds, "shouldProcess": false, "reason": "NO_RAW_DATA" })))
        }
        ("daily-prices-data-etl", "2024-12-06") => Some(Err(job_failure("DQ_FAILED", "12 % critical records"))),
        _ => None,
    })
    .await;
    let range = json!({ "date_range": { "start": "2024-12-04", "end": "2024-12-07" } });
    let arn = app.call("POST", RUNS, Some(range)).await.1["execution_arn"].as_str().unwrap().to_owned();
    // The scripted preflight plans three of the four days.
    let record = app.ended(&arn).await;
    assert_eq!(record.error.as_deref(), Some("DQ_FAILED"), "{:?}", record.cause);
    for (ds, outcome, reason) in [
        ("2024-12-04", "SKIPPED", json!("NO_RAW_DATA")),
        ("2024-12-05", "SUCCEEDED", Value::Null),
        ("2024-12-06", "FAILED", json!("DQ_FAILED: 12 % critical records")),
        ("2024-12-07", "FAILED", json!("NOT_RUN: the run ended before its turn (DQ_FAILED: 12 % critical records)")),
    ] {
        let row = app.partition(ds).await;
        assert_eq!((text(&row, "outcome"), &row["reason"]), (outcome, &reason), "{ds}");
    }
    let (_, outbox) = app.call("GET", "/api/v1/outbox", None).await;
    let told = outbox["items"].as_array().unwrap();
    assert_eq!(told.len(), 1, "the machine told it itself, the server does not tell it again: {outbox}");
    assert_eq!(told[0]["payload"]["message"]["error"]["partition"], "2024-12-06");
}

#[tokio::test]
async fn what_workers_tell_is_kept_and_shown() {
    let app = app().await;
    let queue = app.activity("dev-daily-prices-preflight").await;
    let arn = app.call("POST", RUNS, Some(json!({ "ds": DS }))).await.1["execution_arn"].as_str().unwrap().to_owned();
    let task = app.engine.take(&queue, Some("w"), support::DEADLINE).await.unwrap().unwrap();
    let token = task.token.as_str();

    let lines = json!([{ "at": 1, "stream": "stdout", "text": "hello\u{0}" }, { "at": 2, "stream": "stderr", "text": "x".repeat(9_000) }]);
    let (status, body) =
        app.call("POST", "/api/v1/tasks/logs", Some(json!({ "taskToken": token, "lines": lines }))).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    let log = app.store().log(task.execution, Some(task.task), 0, 10).await.unwrap();
    assert_eq!((log[0].text.as_str(), log[1].text.len()), ("hello\u{fffd}", 8192));
    let logs = format!("/api/v1/executions/{arn}/logs?limit=1");
    let (status, page) = app.call("GET", &logs, None).await;
    assert_eq!((status, text(&page["items"][0], "text")), (StatusCode::OK, "hello\u{fffd}"));
    let (_, page) = app.call("GET", &format!("{logs}&next_token={}", text(&page, "next_token")), None).await;
    assert_eq!((text(&page["items"][0], "stream"), &page["items"][0]["task"]), ("stderr", &json!(task.task.0)));
    let (_, page) = app.call("GET", &format!("{logs}&next_token={}", text(&page, "next_token")), None).await;
    assert_eq!(page["items"], json!([]));
    assert!(page["next_token"].is_string(), "it runs, and more may come: {page}");
    let (_, other) = app.call("GET", &format!("{logs}&task=999999"), None).await;
    assert_eq!(other["items"], json!([]));

    let table = |ds: &str, rows: u64| {
        json!({
            "database": "dev_gold", "name": "prices", "location": "s3://c/m/p/", "columns": [{ "name": "close", "type": "double" }],
            "partition_keys": [{ "name": "ds", "type": "string" }], "partitions": [{ "values": [ds], "rows": rows, "bytes": 99, "files": 1 }],
        })
    };
    let result = json!({
        "job": "daily-prices-data-etl", "run_id": "r", "status": "SUCCEEDED", "code": "OK", "message": "done", "warnings": [],
        "metrics": { "dq_null_symbol": 1, "tables": [table("2024-12-06", 4)] }, "outputs": [{ "uri": "s3://c/m/p/ds=2024-12-06", "rows": 4, "files": 1, "bytes": 99 }],
    });
    let report = json!({ "taskToken": token, "result": result, "peak_memory_bytes": 1000, "exit_code": 0, "started_at": 5, "ended_at": 9, "from_the_future": 1 });
    let (status, body) = app.call("POST", "/api/v1/tasks/report", Some(report)).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    let row = app.partition(DS).await;
    assert_eq!((&row["rows"], &row["bytes"], &row["files"]), (&json!(4), &json!(99), &json!(1)));
    assert_eq!(row["quality"]["daily-prices-data-etl"]["metrics"], json!({ "dq_null_symbol": 1 }));
    let (_, detail) = app.call("GET", &format!("/api/v1/executions/{arn}"), None).await;
    let report = &detail["reports"][0]["report"];
    assert_eq!(
        (&report["status"], &report["duration_ms"], &report["peak_memory_bytes"]),
        (&json!("SUCCEEDED"), &json!(4), &json!(1000))
    );
    assert!(!detail.to_string().contains(token), "tokens stay secret");

    // A later report adds its partition to the table, and one that is no table spoils nothing.
    for tables in [json!([table("2024-12-07", 5)]), json!("none")] {
        let report = json!({ "taskToken": token, "result": { "job": "other", "metrics": { "tables": tables } } });
        assert_eq!(app.call("POST", "/api/v1/tasks/report", Some(report)).await.0, StatusCode::NO_CONTENT);
    }
    let (_, tables) = app.call("GET", "/api/v1/tables", None).await;
    let shown = &tables["items"][0];
    assert_eq!((&shown["name"], &shown["crawler"]), (&json!("prices"), &json!("other")));
    let rows: Vec<&Value> =
        shown["partitions"].as_array().unwrap().iter().map(|partition| &partition["rows"]).collect();
    assert_eq!(rows, [4, 5]);

    let (status, _) = app.call("POST", "/api/v1/tasks/release", Some(json!({ "taskToken": token }))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let again = app.engine.take(&queue, Some("other"), support::DEADLINE).await.unwrap().unwrap();
    assert_eq!(again.task, task.task, "another worker has it at once");

    app.call("POST", &format!("/api/v1/executions/{arn}/stop"), Some(json!({}))).await;
    let (status, problem) = app.call("POST", "/api/v1/tasks/release", Some(json!({ "taskToken": token }))).await;
    assert_eq!((status, problem["title"].as_str()), (StatusCode::NOT_FOUND, Some("Not Found")));

    let heartbeat = json!({ "name": "w-1", "version": "0.1.0", "pid": 7, "slots": 4, "running": [], "activities": ["a"], "status": "serving" });
    assert_eq!(app.call("POST", "/api/v1/workers/heartbeat", Some(heartbeat)).await.0, StatusCode::NO_CONTENT);
    let (_, workers) = app.call("GET", "/api/v1/workers", None).await;
    assert_eq!((&workers["items"][0]["name"], &workers["items"][0]["about"]["slots"]), (&json!("w-1"), &json!(4)));
}

#[tokio::test]
async fn health_is_told_and_the_document_describes_every_route() {
    let app = app().await;
    assert_eq!(app.call("GET", "/healthz", None).await.0, StatusCode::OK);
    assert_eq!(app.call("GET", "/readyz", None).await.0, StatusCode::OK);
    assert_eq!(app.call("GET", "/metrics", None).await.0, StatusCode::NOT_FOUND, "nothing is measured in this test");
    let (_, document) = app.call("GET", "/api/v1/openapi.json", None).await;
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for path in [
        "/api/v1/pipelines",
        "/api/v1/pipelines/{name}/runs",
        "/api/v1/executions/{arn}/stop",
        "/api/v1/tasks/report",
        "/api/v1/outbox",
        "/metrics",
    ] {
        assert!(paths.iter().any(|known| *known == path), "{path} is not in {paths:?}");
    }
    assert!(document["components"]["schemas"]["StartRun"]["properties"]["ds"].is_object());
    app.engine.shut_down();
    assert_eq!(app.call("GET", "/readyz", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
}
