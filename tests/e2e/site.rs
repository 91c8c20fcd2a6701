//! A small installation of its own for a test: a server, where asked a worker, and a lake with a few raw days.
//!
//! Servers take a free port and are ended with the test, however that ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The program under test.
pub const STEPWELL: &str = env!("CARGO_BIN_EXE_stepwell");
/// Longest wait for anything: a run takes a few seconds on an idle machine.
pub const WAIT_MAX: Duration = Duration::from_secs(120);
/// What waits for something over HTTP looks again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The pipeline all of this is about.
pub const PIPELINE: &str = "daily-prices";

/// A running installation.
pub struct Site {
    folder: TempDir,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    http: reqwest::Client,
    _server: Child,
    _worker: Option<Child>,
}

/// Where the repository is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Site {
    /// A server with the state machines of the repository, and a worker.
    pub async fn with_worker() -> Self {
        let mut site = Self::without_worker().await;
        site._worker = Some(site.worker());
        site
    }

    /// A server that nobody works for.
    pub async fn without_worker() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        Self::on(folder, &root().join("state-machines")).await
    }

    /// A server on the data that `folder` holds already.
    pub async fn on(folder: TempDir, state_machines: &Path) -> Self {
        let mut server = Command::new(STEPWELL)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .arg("--state-machines")
            .arg(state_machines)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(server.stderr.take().expect("stderr is piped")).lines();
        let listening = async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.expect("the log is text") {
                if let Some((_, rest)) = line.split_once("Listening at ") {
                    // Logs are JSON where nobody watches.
                    return rest.split(|c: char| c == '"' || c.is_whitespace()).next().expect("an address").to_owned();
                }
                said.push(line);
            }
            panic!("the server ended before it listened: {said:#?}");
        };
        let url = tokio::time::timeout(WAIT_MAX, listening).await.expect("the server listens in time");
        // A full pipe would stop the server.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { folder, url, http: reqwest::Client::new(), _server: server, _worker: None }
    }

    fn worker(&self) -> Child {
        Command::new(STEPWELL)
            .args(["worker", "--endpoint", &self.url])
            .env("STEPWELL_LAKE", self.lake())
            .env("RAW_BUCKET", "dev-raw")
            .env("CURATED_BUCKET", "dev-curated")
            .env("ARTIFACTS_BUCKET", "dev-artifacts")
            .env("BENCHMARK_SYMBOL", "IBM")
            // Its jobs end with it, and it ends with this test.
            .env(workers::LIFELINE_VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the worker starts")
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
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let (status, execution) = self.get(&format!("/api/v1/executions/{arn}")).await;
            assert_eq!(status, 200, "{execution}");
            if execution["status"] != "RUNNING" {
                return execution;
            }
            assert!(Instant::now() < deadline, "{arn} still runs: {execution:#}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What the ledger says of a day.
    pub async fn partition(&self, ds: &str) -> Value {
        let (status, list) = self.get(&format!("/api/v1/pipelines/{PIPELINE}/partitions?from={ds}&to={ds}")).await;
        assert_eq!(status, 200, "{list}");
        let rows = list["items"].as_array().expect("a list");
        rows.iter().find(|row| row["partition"] == ds).cloned().unwrap_or_default()
    }

    /// A call of the Step Functions API.
    pub async fn call(&self, operation: &str, body: &Value) -> Value {
        let request = self.http.post(&self.url).header("x-amz-target", format!("AWSStepFunctions.{operation}"));
        let request = request.header("content-type", "application/x-amz-json-1.0").body(body.to_string());
        let answer = request.send().await.expect("the server answers");
        let text = answer.text().await.expect("a body");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("`{operation}` answers JSON, not {text}"))
    }
}
