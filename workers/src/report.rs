//! What Stepwell is told beyond the activity protocol: log lines, job reports, released tasks, and that this worker lives.
//!
//! All four calls are optional. AWS does not have them, and an older or busy server may refuse or miss them: that is
//! logged once per kind of call and never fails a task. Bodies are JSON; instants are epoch milliseconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{debug, warn};
use url::Url;

use crate::config::Settings;

/// These calls ride along with the protocol; none may hold it up for long.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a call the server does not have is left alone: the server may be upgraded while the worker runs.
const UNSUPPORTED_PAUSE: Duration = Duration::from_secs(60);

/// A line a job wrote.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LogLine {
    /// When the worker read it, in epoch milliseconds.
    pub at: i64,
    /// `stdout`, `stderr`, or `worker` for what the worker itself has to say about the job.
    pub stream: &'static str,
    /// The text without its line ending.
    pub text: String,
}

/// `POST /api/v1/tasks/logs`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskLogs<'a> {
    pub task_token: &'a str,
    pub lines: &'a [LogLine],
}

/// `POST /api/v1/tasks/report`: how the job's last attempt in this worker went; sent before the task is completed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskReport {
    #[serde(rename = "taskToken")]
    pub task_token: String,
    /// The job's result object (`stepwell job`'s last line), or null when it wrote none.
    pub result: Option<Value>,
    /// Highest resident memory seen, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Processor time, user and system, where the system tells.
    pub cpu_seconds: Option<f64>,
    /// Exit status, or null when a signal ended the job.
    pub exit_code: Option<i32>,
    /// The signal that ended the job.
    pub signal: Option<i32>,
    /// 1 for the first attempt in this worker, 2 for its retry.
    pub attempt: u32,
    /// Start of the attempt, epoch milliseconds.
    pub started_at: i64,
    /// End of the attempt, epoch milliseconds.
    pub ended_at: i64,
}

/// `POST /api/v1/workers/heartbeat`: what the dashboard shows of this worker.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerHeartbeat<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub pid: u32,
    pub host: &'a str,
    pub slots: usize,
    pub running: Vec<RunningTask>,
    pub activities: Vec<&'a str>,
    /// `serving`, `draining` (takes no further task; its open polls may be answered at once) or `stopped`.
    pub status: &'static str,
}

/// A task in progress, without anything secret.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunningTask {
    pub activity: String,
    /// Epoch milliseconds.
    pub since: i64,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The server took it.
    Delivered,
    /// The server does not have the call, or refuses this body: repeating it is useless.
    Unsupported,
    /// No answer; may be tried again.
    Unreachable,
}

/// The caller of the optional calls.
pub(crate) struct Reports {
    http: reqwest::Client,
    token: Option<String>,
    calls: Option<Calls>,
    /// Whether the server has taken one of them: then it has them, whatever a proxy or a check of tokens says for a while.
    taken: AtomicBool,
}

struct Calls {
    logs: Call,
    report: Call,
    release: Call,
    heartbeat: Call,
}

struct Call {
    url: Url,
    warned: AtomicBool,
    unsupported_at: Mutex<Option<Instant>>,
}

impl Reports {
    /// Reports to the settings' endpoint; to nobody on AWS.
    pub fn new(settings: &Settings) -> Result<Reports, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(CALL_TIMEOUT).connect_timeout(CALL_TIMEOUT).build()?;
        let calls = settings.endpoint.as_ref().filter(|_| !settings.aws).map(|endpoint| Calls {
            logs: Call::new(endpoint, "tasks/logs"),
            report: Call::new(endpoint, "tasks/report"),
            release: Call::new(endpoint, "tasks/release"),
            heartbeat: Call::new(endpoint, "workers/heartbeat"),
        });
        Ok(Reports { http, token: settings.token.clone(), calls, taken: AtomicBool::new(false) })
    }

    /// Hands over log lines of a task.
    pub async fn logs(&self, logs: &TaskLogs<'_>) -> Delivery {
        self.post(|calls| &calls.logs, logs).await
    }

    /// Hands over a job's report.
    pub async fn report(&self, report: &TaskReport) -> Delivery {
        self.post(|calls| &calls.report, report).await
    }

    /// Gives a task back so that another worker may have it at once instead of when its lease expires.
    pub async fn release(&self, task_token: &str) -> Delivery {
        self.post(|calls| &calls.release, &serde_json::json!({ "taskToken": task_token })).await
    }

    /// Says that this worker lives and what it does.
    pub async fn heartbeat(&self, heartbeat: &WorkerHeartbeat<'_>) -> Delivery {
        self.post(|calls| &calls.heartbeat, heartbeat).await
    }

    async fn post(&self, call: impl Fn(&Calls) -> &Call, body: &impl Serialize) -> Delivery {
        let Some(call) = self.calls.as_ref().map(call) else { return Delivery::Unsupported };
        if call.unsupported_at.lock().is_some_and(|at| at.elapsed() < UNSUPPORTED_PAUSE) {
            return Delivery::Unsupported;
        }
        let mut request = self.http.post(call.url.clone()).json(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                call.warned.store(false, Ordering::Relaxed);
                self.taken.store(true, Ordering::Relaxed);
                *call.unsupported_at.lock() = None;
                Delivery::Delivered
            }
            Ok(answer) => {
                let status = answer.status();
                call.warn(&format!("the server answered {status}"));
                let is = |statuses: &[u16]| statuses.contains(&status.as_u16());
                // A server that has the call answers 404 with a title for a task it does not know.
                let absent =
                    is(&[404, 405, 501]) && !answer.json::<Value>().await.is_ok_and(|body| body.get("title").is_some());
                let taken = self.taken.load(Ordering::Relaxed);
                if is(&[408, 429]) || status.is_server_error() && !is(&[501]) || taken && (absent || is(&[401, 403])) {
                    return Delivery::Unreachable;
                }
                if absent {
                    *call.unsupported_at.lock() = Some(Instant::now());
                }
                Delivery::Unsupported
            }
            Err(error) => {
                call.warn(&format!("{:#}", anyhow::Error::new(error.without_url())));
                Delivery::Unreachable
            }
        }
    }
}

impl Call {
    fn new(endpoint: &Url, path: &str) -> Call {
        let mut url = endpoint.clone();
        url.set_path(&format!("{}/api/v1/{path}", endpoint.path().trim_end_matches('/')));
        Call { url, warned: AtomicBool::new(false), unsupported_at: Mutex::new(None) }
    }

    /// Once until the call works again; after that only for who looks closely.
    fn warn(&self, why: &str) {
        let path = self.url.path();
        if self.warned.swap(true, Ordering::Relaxed) {
            debug!("Cannot deliver to `{path}`: {why}");
        } else {
            warn!("Cannot deliver to `{path}`: {why}; tasks go on without it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn reports(flags: &[&str]) -> Reports {
        Reports::new(&Config::from_flags(flags).unwrap().resolve().unwrap()).unwrap()
    }

    #[test]
    fn calls_stand_below_the_endpoint() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:8083", "http://127.0.0.1:8083/api/v1/tasks/logs"),
            ("http://proxy/stepwell/", "http://proxy/stepwell/api/v1/tasks/logs"),
        ] {
            let reports = reports(&["--endpoint", endpoint]);
            assert_eq!(reports.calls.unwrap().logs.url.as_str(), expected);
        }
    }

    #[tokio::test]
    async fn aws_is_never_asked() {
        assert_eq!(reports(&["--aws"]).release("token").await, Delivery::Unsupported);
    }

    #[tokio::test]
    async fn nobody_listening_is_unreachable_not_unsupported() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let reports = reports(&["--endpoint", &format!("http://{closed}")]);
        assert_eq!(reports.release("token").await, Delivery::Unreachable);
    }
}
