//! A small installation of its own for a test: a server, where asked a worker, and a lake with a few raw days.
//!
//! The server takes a free port; all of it ends with the test, however that ends.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Client, Process, Refusal, serve_with, until, worker_with};

/// Longest wait for anything: a run takes a few seconds on an idle machine.
pub const WAIT_MAX: Duration = Duration::from_secs(120);

/// The pipeline all of this is about.
pub const PIPELINE: &str = "daily-prices";

/// A running installation.
pub struct Site {
    folder: TempDir,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    http: reqwest::Client,
    client: Client,
    _server: Process,
    _worker: Option<Process>,
}

/// Where the repository is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of a system's development data. They may not be passed on, so they are not in the repository.
pub fn development_data(system: &str) -> PathBuf {
    let beside = root().join("../shared/data");
    let place = std::env::var_os("STEPWELL_DEVELOPMENT_DATA").map_or(beside, PathBuf::from);
    let folder = place.join(system);
    assert!(folder.is_dir(), "no development data in {}: set STEPWELL_DEVELOPMENT_DATA", folder.display());
    folder
}

impl Site {
    /// A server with the state machines of the repository, and a worker.
    pub async fn with_worker() -> Self {
        let mut site = Self::without_worker().await;
        site.start_worker(&[]);
        site
    }

    /// Starts a worker with these flags, in place of the one there is.
    pub fn start_worker(&mut self, flags: &[&str]) {
        let lake = self.lake();
        let variables = [
            ("STEPWELL_LAKE", lake.as_os_str()),
            ("RAW_BUCKET", OsStr::new("dev-raw")),
            ("CURATED_BUCKET", OsStr::new("dev-curated")),
            ("ARTIFACTS_BUCKET", OsStr::new("dev-artifacts")),
            ("BENCHMARK_SYMBOL", OsStr::new("IBM")),
        ];
        let address = self.url.trim_start_matches("http://").to_owned();
        // The one before ends first: its tasks are given up by their leases.
        drop(self._worker.take());
        self._worker = Some(worker_with(&address, "worker", flags, &variables));
    }

    /// A server that nobody works for.
    pub async fn without_worker() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        Self::on(folder, &root().join("state-machines")).await
    }

    /// A server on the data that `folder` holds already.
    pub async fn on(folder: TempDir, state_machines: &Path) -> Self {
        let data = folder.path().join("data");
        let flags = ["--listen", "127.0.0.1:0", "--data"].map(OsStr::new);
        let flags = [&flags[..], &[data.as_os_str(), OsStr::new("--state-machines"), state_machines.as_os_str()]];
        let flags: Vec<_> = flags.concat().into_iter().map(OsStr::to_owned).collect();
        let started = tokio::task::spawn_blocking(move || serve_with(&flags)).await;
        let (server, address) = started.expect("the server listens");
        let (http, client) = (reqwest::Client::new(), Client::new(&address));
        Self { folder, url: format!("http://{address}"), http, client, _server: server, _worker: None }
    }

    /// The folder of the buckets.
    pub fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// Delivers a day of 20 symbols, `bad` of them with a negative price.
    pub fn deliver(&self, ds: &str, bad: usize) {
        let [year, month, day]: [&str; 3] =
            ds.split('-').collect::<Vec<_>>().try_into().expect("a day is written YYYY-MM-DD");
        let key =
            format!("dev-raw/market/prices/interval=1d/data_source=yahoo_finance/year={year}/month={month}/day={day}");
        let folder = self.lake().join(key);
        let row = |n: usize| {
            let close = if n < bad { -1.5 } else { 100.0 + n as f64 };
            json!({
                "symbol": format!("S{n:02}"), "timestamp": format!("{ds}T00:00:00+00:00"), "open": 100.0,
                "high": 130.0, "low": 90.0, "close": close, "adjusted_close": close, "volume": 1000.0,
            })
        };
        let lines: String = (0..20).map(|n| format!("{}\n", row(n))).collect();
        std::fs::create_dir_all(&folder).expect("the raw folder can be made");
        std::fs::write(folder.join("all.json"), lines).expect("the raw object can be written");
    }

    /// GET: the status and the body, null where it is not JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.expect("the server answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Asks for a run: status, content type, body.
    pub async fn ask(&self, pipeline: &str, body: &Value) -> (u16, String, Value) {
        let url = format!("{}/api/v1/pipelines/{pipeline}/runs", self.url);
        let answer = self.http.post(url).json(body).send().await.expect("the server answers");
        let kind = answer.headers()["content-type"].to_str().expect("plain text").to_owned();
        (answer.status().as_u16(), kind, answer.json().await.expect("JSON"))
    }

    /// Starts a run and gives its execution as it ended.
    pub async fn run(&self, body: Value) -> Value {
        let (status, _, started) = self.ask(PIPELINE, &body).await;
        assert_eq!(status, 202, "{started}");
        self.ended(started["execution_arn"].as_str().expect("an ARN")).await
    }

    /// An execution, once it has ended.
    pub async fn ended(&self, arn: &str) -> Value {
        until(&format!("{arn} ends"), WAIT_MAX, || async {
            let (status, execution) = self.get(&format!("/api/v1/executions/{arn}")).await;
            assert_eq!(status, 200, "{execution}");
            (execution["status"] != "RUNNING").then_some(execution)
        })
        .await
    }

    /// What the ledger says of a day.
    pub async fn partition(&self, ds: &str) -> Value {
        let (status, list) = self.get(&format!("/api/v1/pipelines/{PIPELINE}/partitions?from={ds}&to={ds}")).await;
        assert_eq!(status, 200, "{list}");
        let rows = list["items"].as_array().expect("a list");
        rows.iter().find(|row| row["partition"] == ds).cloned().unwrap_or_default()
    }

    /// A call of the Step Functions API: its answer, or the body of its refusal.
    pub async fn call(&self, operation: &str, body: &Value) -> Value {
        match self.client.call(operation, body).await {
            Ok(answer) | Err(Refusal::Answer(_, answer)) => answer,
            Err(Refusal::Away) => panic!("`{operation}` gets no answer"),
        }
    }
}
