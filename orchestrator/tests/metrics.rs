//! What Prometheus sees. A process has one recorder, so this is a test of its own.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod support;

use orchestrator::api::rest::{Rest, router};
use serde_json::json;

use support::{App, Options};

#[tokio::test]
async fn prometheus_sees_executions_queues_commits_latency_and_the_outbox() {
    let prometheus = orchestrator::telemetry::metrics::install().unwrap();
    let mut app = App::daily_prices(Options::default()).await;
    app.router = router(Rest {
        engine: app.engine.clone(),
        registry: app.registry.clone(),
        actions: app.actions.clone(),
        alerts: app.settings.clone(),
        job_metrics: None,
        prometheus: Some(prometheus),
    });
    app.activity("dev-daily-prices-preflight").await;
    let run = json!({ "ds": "2024-12-06" });
    app.call("POST", "/api/v1/pipelines/daily-prices/runs", Some(run)).await;
    let arn = app.actions.run("daily-prices", "2024-12-07", false, "dashboard").await.unwrap();
    app.actions.stop(&arn, None).await.unwrap();
    let (_, text) = app.call("GET", "/metrics", None).await;
    let text = text.as_str().unwrap();
    for line in [
        "stepwell_executions_started_total 2",
        "stepwell_executions_ended_total{status=\"ABORTED\"} 1",
        "stepwell_executions_running 1",
        "stepwell_queue_tasks{queue=\"dev-daily-prices-preflight\"} 1",
        "stepwell_outbox_messages{state=\"PENDING\"} 1",
        "stepwell_rest_seconds_count{route=\"/api/v1/pipelines/{name}/runs\",method=\"POST\",status=\"202\"} 1",
        "# TYPE stepwell_commit_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
    }
}
