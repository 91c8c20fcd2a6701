//! A server without a socket: memory store, engine, folder of pipelines, integrations, REST; and workers by script.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asl::Failure;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use orchestrator::alert::Settings;
use orchestrator::api::rest::{Rest, router};
use orchestrator::engine::{Clock, Config, Engine, StartRequest};
use orchestrator::integration::{self, Services};
use orchestrator::pipeline::{Actions, Folder, Ledger, Registry, queue};
use orchestrator::store::{ActivityRecord, ExecutionRecord, ExecutionStatus, Hint, MemoryStore, Store};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A condition that takes longer is a failure.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct App {
    pub engine: Engine,
    pub registry: Registry,
    pub actions: Actions,
    pub settings: Settings,
    pub router: Router,
}

impl Drop for App {
    fn drop(&mut self) {
        self.engine.shut_down();
    }
}

pub struct Options {
    pub settings: Settings,
    pub services: Services,
    pub store: MemoryStore,
}

impl Default for Options {
    fn default() -> Self {
        Self { settings: Settings::default(), services: Services::default(), store: MemoryStore::new() }
    }
}

impl App {
    /// With the pipelines of `folder`.
    pub async fn start(folder: &Path, options: Options) -> Self {
        let registry = Registry::default();
        let hooks = Arc::new(Ledger::new(registry.clone(), options.settings.clone()));
        let config = Config { poll: Duration::from_millis(200), ..Config::default() };
        let engine = Engine::new(Arc::new(options.store), Clock::local(), config, hooks);
        Folder::new(folder, engine.clone(), registry.clone(), "dev").apply().await.unwrap();
        let background = engine.clone();
        tokio::spawn(async move { background.run().await });
        tokio::spawn(integration::run(engine.clone(), options.services));
        tokio::spawn(queue::run(engine.clone(), engine.shutdown().clone()));
        let actions = Actions::new(engine.clone(), registry.clone(), "dev");
        let router = router(Rest {
            engine: engine.clone(),
            registry: registry.clone(),
            actions: actions.clone(),
            alerts: options.settings.clone(),
            job_metrics: None,
            prometheus: None,
        });
        Self { engine, registry, actions, settings: options.settings, router }
    }

    /// With the pipelines of the repository.
    pub async fn daily_prices(options: Options) -> Self {
        Self::start(&state_machines(), options).await
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        self.engine.store()
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.call_with(method, path, &[], body.map(|body| body.to_string())).await
    }

    pub async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A worker that serves `name` with `script`, which gets the task's input and its token.
    pub async fn serve(
        &self,
        name: &str,
        script: impl Fn(&Value, &str) -> Result<Value, Failure> + Send + Sync + 'static,
    ) {
        let arn = self.activity(name).await;
        let engine = self.engine.clone();
        let script = Arc::new(script);
        tokio::spawn(async move {
            while !engine.shutdown().is_cancelled() {
                let Ok(Some(task)) = engine.take(&arn, Some("test"), Duration::from_secs(5)).await else { continue };
                let input: Value = serde_json::from_str(&task.input).unwrap();
                let reported = match script(&input, task.token.as_str()) {
                    Ok(output) => engine.succeed(task.token.as_str(), output).await,
                    Err(failure) => engine.fail(task.token.as_str(), failure).await,
                };
                drop(reported);
            }
        });
    }

    /// Registers an activity: its ARN.
    pub async fn activity(&self, name: &str) -> String {
        let arn = format!("arn:aws:states:us-east-1:123456789012:activity:{name}");
        let activity =
            ActivityRecord { arn: arn.clone(), name: name.to_owned(), created_at: self.engine.now(), tags: json!([]) };
        self.store().create_activity(&activity).await.unwrap();
        self.engine.forget_activity(&arn);
        arn
    }

    /// All workers of daily prices, doing well; `odd` may answer in their place.
    pub async fn serve_daily_prices(
        &self,
        odd: impl Fn(&str, &str) -> Option<Result<Value, Failure>> + Send + Sync + 'static,
    ) {
        let odd = Arc::new(odd);
        for name in [
            "daily-prices-preflight",
            "daily-prices-guard",
            "daily-prices-decide-crawler",
            "daily-prices-aggregate",
            "daily-prices-compaction",
            "daily-prices-data-etl",
            "market-indicators-etl",
        ] {
            let odd = odd.clone();
            self.serve(&format!("dev-{name}"), move |input, _| {
                let ds =
                    input["ds"].as_str().or_else(|| input["Arguments"]["--ds"].as_str()).unwrap_or_default().to_owned();
                odd(name, &ds).unwrap_or_else(|| Ok(well(name, &ds, input)))
            })
            .await;
        }
    }

    /// Creates a machine and starts it: the execution's ARN.
    pub async fn run_machine(&self, name: &str, definition: Value, input: Value) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(format!("{name}.asl.json")), definition.to_string()).unwrap();
        Folder::new(folder.path(), self.engine.clone(), self.registry.clone(), "dev").apply().await.unwrap();
        assert_eq!(self.registry.problems(), []);
        self.start_execution(name, input).await
    }

    /// As `StartExecution` does.
    pub async fn start_execution(&self, machine: &str, input: Value) -> String {
        let request = StartRequest {
            id: None,
            state_machine_arn: format!("arn:aws:states:us-east-1:123456789012:stateMachine:{machine}"),
            name: None,
            input: input.to_string(),
            input_value: input,
            trace_header: None,
            trigger: "api".to_owned(),
            exclusive: false,
        };
        self.engine.start(request).await.unwrap().arn
    }

    /// Waits for an execution's end.
    pub async fn ended(&self, arn: &str) -> ExecutionRecord {
        self.until(&format!("{arn} ends"), async || {
            let record = self.store().execution(arn).await.unwrap().expect("it was started");
            Some(record).filter(|record| record.status != ExecutionStatus::Running)
        })
        .await
    }

    /// Waits until `look` finds what it looks for; changes are hints, and it looks every now and then anyway.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let mut changes = self.engine.changes();
        let found = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                let hint = tokio::time::timeout(Duration::from_millis(100), changes.recv());
                let _: Result<Result<Hint, _>, _> = hint.await;
            }
        };
        tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
    }

    pub async fn partition(&self, ds: &str) -> Value {
        let (status, body) =
            self.call("GET", &format!("/api/v1/pipelines/daily-prices/partitions?from={ds}&to={ds}"), None).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["items"][0].clone()
    }
}

pub fn state_machines() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../state-machines")
}

fn well(name: &str, ds: &str, input: &Value) -> Value {
    match name {
        "daily-prices-preflight" if !input["date_range"].is_null() => {
            let days = ["2024-12-04", "2024-12-05", "2024-12-06"];
            json!({ "dates": days.map(|ds| json!({ "ds": ds, "proceed": true })) })
        }
        "daily-prices-preflight" => {
            let place = json!({ "--ds": ds, "--compacted_bucket": "c", "--compacted_prefix": "m/p/compacted", "--curated_bucket": "c", "--curated_prefix": "m/p/", "--schema_fingerprint_s3_uri": "s3://a/latest.json" });
            let indicators = json!({ "--ds": ds, "--output_bucket": "c", "--output_prefix": "m/i/", "--schema_fingerprint_s3_uri": "s3://a/latest.json" });
            json!({ "proceed": true, "ds": ds, "catalog_update": "never", "glue_args": place, "indicators_args": indicators })
        }
        "daily-prices-guard" => json!({ "ds": ds, "shouldProcess": true }),
        "daily-prices-decide-crawler" => {
            json!({ "ds": ds, "shouldRunCrawler": false, "stats": { "rowCount": 4, "bytesWritten": 9, "fileCount": 1 } })
        }
        "daily-prices-aggregate" => {
            let items = input["items"].as_array().unwrap();
            let is_made = |item: &&Value| item["proceed"] != false && item["shouldProcess"] != false;
            let made: Vec<String> =
                items.iter().filter(is_made).map(|item| format!("ds={}", item["ds"].as_str().unwrap())).collect();
            let skipped: Vec<Value> = items
                .iter()
                .filter(|item| !is_made(item))
                .map(|item| json!({ "ds": item["ds"], "code": item["error"]["code"].as_str().or(item["reason"].as_str()), "reason": item["reason"] }))
                .collect();
            json!({ "ok": true, "partitions": made, "skipped": skipped, "shouldRunCrawler": false })
        }
        _ => json!({ "status": "SUCCEEDED" }),
    }
}

/// A job's failure as workers report it.
pub fn job_failure(code: &str, message: &str) -> Failure {
    let cause = json!({ "JobName": "x", "JobRunState": "FAILED", "ErrorMessage": format!("{code}: {message}") });
    // The engine makes the job run; the worker's own words are the message.
    Failure { error: Some(code.to_owned()), cause: Some(cause["ErrorMessage"].as_str().unwrap().to_owned()) }
}
