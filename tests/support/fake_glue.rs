//! A small AWS Glue: job runs that go on until the test says otherwise, refusals, lost answers, crawlers.
//!
//! Speaks the service's JSON protocol at a port of its own; included by the tests that need it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// A run as the service keeps it.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    pub job: String,
    pub arguments: Value,
    pub state: &'static str,
    pub error: Option<String>,
}

/// What the next calls meet.
#[derive(Default)]
struct World {
    jobs: BTreeMap<String, usize>,
    runs: Vec<Run>,
    crawlers: BTreeMap<String, &'static str>,
    /// Answers to come, by action: an error's name and status; the call does nothing.
    refusals: Vec<(&'static str, &'static str, u16)>,
    /// The next starts do their work and answer 500.
    lost_answers: usize,
    /// Starts do their work and wait for [`FakeGlue::let_go`] before they answer.
    held: bool,
    calls: Vec<String>,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub struct FakeGlue {
    pub url: String,
    world: Arc<Mutex<World>>,
    released: Arc<Notify>,
}

impl FakeGlue {
    /// With jobs of these names, each of which may run so often at once.
    pub async fn start(jobs: &[(&str, usize)]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let jobs = jobs.iter().map(|&(name, runs_max)| (name.to_owned(), runs_max)).collect();
        let world = Arc::new(Mutex::new(World { jobs, ..World::default() }));
        let glue = Self { url, world, released: Arc::new(Notify::new()) };
        let router = Router::new().route("/", post(serve)).with_state(glue.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        glue
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no holder panics")
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        self.world().runs.clone()
    }

    /// How often an action was called.
    pub fn calls(&self, action: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == action).count()
    }

    /// Every run that goes on ends like this.
    pub fn end_runs(&self, state: &'static str, error: Option<&str>) {
        for run in self.world().runs.iter_mut().filter(|run| matches!(run.state, "RUNNING" | "STARTING")) {
            run.state = state;
            run.error = error.map(str::to_owned);
        }
    }

    /// The next call of an action is refused.
    pub fn refuse(&self, action: &'static str, error: &'static str, status: u16) {
        self.world().refusals.push((action, error, status));
    }

    /// The next start happens, and its answer is lost.
    pub fn lose_answer(&self) {
        self.world().lost_answers += 1;
    }

    /// Starts happen and are not answered until [`FakeGlue::let_go`].
    pub fn hold_answers(&self) {
        self.world().held = true;
    }

    /// Held answers go out.
    pub fn let_go(&self) {
        self.world().held = false;
        self.released.notify_waiters();
    }

    /// A crawler is there, in this state.
    pub fn set_crawler(&self, name: &str, state: &'static str) {
        self.world().crawlers.insert(name.to_owned(), state);
    }
}

fn refusal(error: &str, status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, json!({ "__type": error, "message": message, "Message": message }).to_string()).into_response()
}

fn answer(body: Value) -> Response {
    ([("content-type", "application/x-amz-json-1.1")], body.to_string()).into_response()
}

async fn serve(State(glue): State<FakeGlue>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default().to_owned();
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |field: &str| input[field].as_str().unwrap_or_default().to_owned();
    let refused = {
        let mut world = glue.world();
        world.calls.push(action.clone());
        let at = world.refusals.iter().position(|refusal| refusal.0 == action);
        at.map(|at| world.refusals.remove(at))
    };
    if let Some((_, error, status)) = refused {
        return refusal(error, status, "refused by the test");
    }
    match action.as_str() {
        "StartJobRun" => start(&glue, &text("JobName"), &input["Arguments"]).await,
        "GetJobRun" => {
            let world = glue.world();
            let run = world.runs.iter().find(|run| run.job == text("JobName") && run.id == text("RunId"));
            match run {
                Some(run) => answer(json!({ "JobRun": shown(run) })),
                None => refusal("EntityNotFoundException", 400, "no such run"),
            }
        }
        "GetJobRuns" => {
            let world = glue.world();
            let runs: Vec<Value> =
                world.runs.iter().rev().filter(|run| run.job == text("JobName")).map(shown).collect();
            answer(json!({ "JobRuns": runs }))
        }
        "BatchStopJobRun" => stop(&glue, &text("JobName"), &input["JobRunIds"]),
        "StartCrawler" => match glue.world().crawlers.get_mut(&text("Name")) {
            Some(state) if *state == "READY" => {
                *state = "RUNNING";
                answer(json!({}))
            }
            Some(_) => refusal("CrawlerRunningException", 400, "the crawler runs"),
            None => refusal("EntityNotFoundException", 400, "no such crawler"),
        },
        "GetCrawler" => match glue.world().crawlers.get(&text("Name")) {
            Some(state) => answer(json!({ "Crawler": {
                "Name": text("Name"), "State": state, "DatabaseName": "db", "CrawlElapsedTime": 0, "Version": 1,
                "LastCrawl": { "Status": "SUCCEEDED", "StartTime": 1_700_000_000.0 },
            } })),
            None => refusal("EntityNotFoundException", 400, "no such crawler"),
        },
        other => refusal("InvalidInputException", 400, &format!("the fake knows no {other}")),
    }
}

async fn start(glue: &FakeGlue, job: &str, arguments: &Value) -> Response {
    let (id, lost) = {
        let mut world = glue.world();
        let Some(runs_max) = world.jobs.get(job).copied() else {
            return refusal(
                "EntityNotFoundException",
                400,
                &format!("Failed to start job run due to missing metadata: {job}"),
            );
        };
        if world.runs.iter().filter(|run| run.job == job && run.state == "RUNNING").count() >= runs_max {
            return refusal("ConcurrentRunsExceededException", 400, &format!("Concurrent runs exceeded for {job}"));
        }
        let id = format!("jr_{:064x}", world.runs.len() + 1);
        let run =
            Run { id: id.clone(), job: job.to_owned(), arguments: arguments.clone(), state: "RUNNING", error: None };
        world.runs.push(run);
        let lost = world.lost_answers > 0;
        world.lost_answers = world.lost_answers.saturating_sub(1);
        (id, lost)
    };
    if lost {
        return refusal("InternalServiceException", 500, "the answer is lost");
    }
    loop {
        let released = glue.released.notified();
        if !glue.world().held {
            return answer(json!({ "JobRunId": id }));
        }
        released.await;
    }
}

fn stop(glue: &FakeGlue, job: &str, ids: &Value) -> Response {
    let mut world = glue.world();
    let (mut stopped, mut errors) = (Vec::new(), Vec::new());
    for id in ids.as_array().into_iter().flatten() {
        match world.runs.iter_mut().find(|run| run.job == job && id == run.id.as_str()) {
            Some(run) if run.state == "RUNNING" => {
                run.state = "STOPPED";
                stopped.push(json!({ "JobName": job, "JobRunId": id }));
            }
            found => errors.push(json!({
                "JobName": job, "JobRunId": id,
                "ErrorDetail": {
                    "ErrorCode": if found.is_some() { "JobRunCannotBeStoppedException" } else { "EntityNotFoundException" },
                    "ErrorMessage": "the run is over or unknown",
                },
            })),
        }
    }
    answer(json!({ "SuccessfulSubmissions": stopped, "Errors": errors }))
}

fn shown(run: &Run) -> Value {
    let mut shown = json!({
        "Id": run.id, "Attempt": 0, "JobName": run.job, "JobRunState": run.state, "Arguments": run.arguments,
        "StartedOn": 1_700_000_000.5, "LastModifiedOn": 1_700_000_060.0, "CompletedOn": 1_700_000_060.0,
        "PredecessorRuns": [], "AllocatedCapacity": 2, "ExecutionTime": 59, "Timeout": 2880, "MaxCapacity": 2.0,
        "WorkerType": "G.1X", "NumberOfWorkers": 2, "LogGroupName": "/aws-glue/jobs", "GlueVersion": "5.0",
    });
    if let Some(error) = &run.error {
        shown["ErrorMessage"] = json!(error);
    }
    shown
}
