//! The activity part of Step Functions, and Stepwell's optional calls, in memory, over real HTTP.
//!
//! It has a runtime of its own, so that it can go away with all its connections and come back at the same address.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// How the fake behaves.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Whether it has `/api/v1`.
    pub extras: bool,
    /// The largest output it takes, in bytes.
    pub output_bytes_max: usize,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner { extras: true, output_bytes_max: 262_144 }
    }
}

pub struct FakeService {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    manner: Manner,
    book: Mutex<Book>,
    changed: Notify,
}

/// Everything the service was told.
#[derive(Default)]
pub struct Book {
    pub activities: Vec<String>,
    /// Activities in the order their polls came.
    pub polls: Vec<String>,
    queues: HashMap<String, VecDeque<(String, String)>>,
    /// Tokens handed out, in order.
    pub started: Vec<String>,
    pub heartbeats: HashMap<String, usize>,
    /// How each task ended; `Gone` for those the service stopped.
    pub ends: HashMap<String, End>,
    pub logs: HashMap<String, Vec<Value>>,
    pub reports: HashMap<String, Value>,
    /// Reports that came after their task had ended.
    pub late_reports: usize,
    pub released: Vec<String>,
    pub worker_heartbeats: Vec<Value>,
    /// Logs and reports are answered with this until a report was, and a call on a task followed: what a worker sees that
    /// tells its news to a service, or to the proxy before it, just before it is back.
    pub deaf: Option<StatusCode>,
    report_refused: bool,
    draining: bool,
    next: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Success(Value),
    Failure { error: String, cause: String },
    Gone,
}

impl FakeService {
    pub fn start() -> FakeService {
        FakeService::with(Manner::default())
    }

    pub fn with(manner: Manner) -> FakeService {
        let shared = Arc::new(Shared { manner, book: Mutex::default(), changed: Notify::new() });
        let mut service = FakeService { address: ([127, 0, 0, 1], 0).into(), shared, runtime: None };
        service.come_back();
        service
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().expect("no test panics while it holds the book")
    }

    /// Puts a task in an activity's queue and returns its token.
    pub fn give(&self, activity: &str, input: &Value) -> String {
        let mut book = self.book();
        book.next += 1;
        let token = format!("token-{}-of-{activity}", book.next);
        book.queues.entry(activity.to_owned()).or_default().push_back((token.clone(), input.to_string()));
        drop(book);
        self.shared.changed.notify_waiters();
        token
    }

    /// What StopExecution or a timeout does to a task.
    pub fn stop_task(&self, token: &str) {
        self.book().ends.insert(token.to_owned(), End::Gone);
    }

    pub fn end(&self, token: &str) -> Option<End> {
        self.book().ends.get(token).cloned()
    }

    /// The texts of a task's log lines so far.
    pub fn log(&self, token: &str) -> Vec<String> {
        let book = self.book();
        let lines = book.logs.get(token).into_iter().flatten();
        lines.map(|line| line["text"].as_str().expect("a line has a text").to_owned()).collect()
    }

    /// The process id a `test-sleep` writes first.
    pub fn pid(&self, token: &str) -> Option<u32> {
        self.log(token).iter().find_map(|line| line.strip_prefix("pid ")?.parse().ok())
    }

    /// Ends the process, so to speak: the listener and every connection close.
    pub fn go_away(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub fn come_back(&mut self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let listener = loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) => assert!(std::time::Instant::now() < deadline, "cannot listen again: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        self.address = listener.local_addr().expect("a listener has an address");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let router = Router::new().route("/", post(call)).route("/api/v1/{topic}/{verb}", post(extra));
        let router = router.with_state(self.shared.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is non-blocking");
            axum::serve(listener, router).await.expect("the fake serves until it is shut down");
        });
        self.runtime = Some(runtime);
    }
}

impl Drop for FakeService {
    fn drop(&mut self) {
        self.go_away();
    }
}

async fn call(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).expect("the SDK sends JSON");
    let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    match target.strip_prefix("AWSStepFunctions.").unwrap_or_default() {
        "CreateActivity" => {
            let name = text("name");
            let mut book = shared.book.lock().expect("not poisoned");
            if !book.activities.contains(&name) {
                book.activities.push(name.clone());
            }
            let arn = format!("arn:aws:states:us-east-1:123456789012:activity:{name}");
            answer(json!({ "activityArn": arn, "creationDate": 1_700_000_000.5 }))
        }
        "GetActivityTask" => poll(&shared, &text("activityArn")).await,
        "SendTaskHeartbeat" => on_task(&shared, &text("taskToken"), |book, token| {
            *book.heartbeats.entry(token).or_default() += 1;
        }),
        "SendTaskSuccess" if text("output").len() > shared.manner.output_bytes_max => {
            refuse("ValidationException", "Member must have length less than or equal to 262144")
        }
        "SendTaskSuccess" => on_task(&shared, &text("taskToken"), |book, token| {
            let output = serde_json::from_str(&text("output")).expect("an output is JSON");
            book.ends.insert(token, End::Success(output));
        }),
        "SendTaskFailure" => on_task(&shared, &text("taskToken"), |book, token| {
            book.ends.insert(token, End::Failure { error: text("error"), cause: text("cause") });
        }),
        other => refuse("UnknownOperationException", other),
    }
}

async fn poll(shared: &Shared, arn: &str) -> Response {
    let activity = arn.rsplit(':').next().unwrap_or_default().to_owned();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    shared.book.lock().expect("not poisoned").polls.push(activity.clone());
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let mut book = shared.book.lock().expect("not poisoned");
            if book.draining {
                return answer(json!({}));
            }
            if let Some((token, input)) = book.queues.get_mut(&activity).and_then(VecDeque::pop_front) {
                book.started.push(token.clone());
                return answer(json!({ "taskToken": token, "input": input }));
            }
        }
        if tokio::time::timeout_at(deadline, changed).await.is_err() {
            return answer(json!({ "taskToken": null }));
        }
    }
}

fn on_task(shared: &Shared, token: &str, then: impl FnOnce(&mut Book, String)) -> Response {
    let mut book = shared.book.lock().expect("not poisoned");
    if std::mem::take(&mut book.report_refused) {
        book.deaf = None;
    }
    if book.ends.contains_key(token) {
        return refuse("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'");
    }
    if !book.started.iter().any(|started| started == token) {
        return refuse("InvalidToken", "Invalid Token: 'Invalid token'");
    }
    then(&mut book, token.to_owned());
    answer(json!({}))
}

async fn extra(
    State(shared): State<Arc<Shared>>,
    Path((topic, verb)): Path<(String, String)>,
    axum::Json(body): axum::Json<Value>,
) -> StatusCode {
    if !shared.manner.extras {
        return StatusCode::NOT_FOUND;
    }
    let mut book = shared.book.lock().expect("not poisoned");
    let token = body["taskToken"].as_str().unwrap_or_default().to_owned();
    if let (Some(answer), "tasks", "logs" | "report") = (book.deaf, topic.as_str(), verb.as_str()) {
        book.report_refused |= verb == "report";
        return answer;
    }
    match (topic.as_str(), verb.as_str()) {
        ("tasks", "logs") => {
            let lines = body["lines"].as_array().expect("lines are a list").clone();
            book.logs.entry(token).or_default().extend(lines);
        }
        ("tasks", "report") => {
            let ended = matches!(book.ends.get(&token), Some(End::Success(_) | End::Failure { .. }));
            book.late_reports += usize::from(ended);
            book.reports.insert(token, body);
        }
        ("tasks", "release") => book.released.push(token),
        ("workers", "heartbeat") => {
            // As the real server does: polls of a draining worker are answered at once.
            book.draining = body["status"] == "draining";
            book.worker_heartbeats.push(body);
            drop(book);
            shared.changed.notify_waiters();
        }
        _ => return StatusCode::NOT_FOUND,
    }
    StatusCode::NO_CONTENT
}

fn answer(body: Value) -> Response {
    ([("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}

fn refuse(name: &str, message: &str) -> Response {
    (StatusCode::BAD_REQUEST, answer(json!({ "__type": name, "message": message }))).into_response()
}
