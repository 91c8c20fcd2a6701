//! Glue jobs and crawlers that are AWS's, against a small Glue server: started once, waited for, stopped, passed on.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

#[allow(dead_code, reason = "shared with the tests of real processes")]
#[path = "../../tests/support/fake_glue.rs"]
mod fake_glue;
mod support;

use std::sync::Arc;
use std::time::Duration;

use orchestrator::alert::Delivery;
use orchestrator::engine::Binding;
use orchestrator::integration::{Pace, Services};
use orchestrator::store::{ExecutionStatus, HistoryQuery, MemoryStore};
use serde_json::{Value, json};

use fake_glue::FakeGlue;
use support::{App, Options};

const JOB: &str = "dev-etl";
const SYNC: &str = "glue:startJobRun.sync";

/// An app whose sheet would bind the job to AWS Glue, and the delivery loop beside it.
async fn app(glue: &FakeGlue, store: MemoryStore) -> App {
    let folder = tempfile::tempdir().unwrap();
    let settings = aws::Settings { region: Some("us-east-1".to_owned()), endpoint_url: Some(glue.url.clone()) };
    let client: Arc<dyn aws::GlueJobs> = Arc::new(aws::Glue::new(settings));
    let pace = Pace { first: Duration::from_millis(10), longest: Duration::from_millis(50) };
    let services = Services { glue: Some(client.clone()), glue_pace: pace, ..Services::default() };
    let app = App::start(folder.path(), Options { services, store, ..Options::default() }).await;
    app.engine.bind("etl", [(JOB.to_owned(), Binding::Glue), ("dev-crawler".to_owned(), Binding::Glue)]);
    let delivery = Delivery::new(app.engine.clone(), None, None).with_glue(Some(client));
    let stopped = app.engine.shutdown().clone();
    tokio::spawn(async move { delivery.run(stopped).await });
    app
}

/// A machine of one task.
fn task(resource: &str, parameters: Value, more: Value) -> Value {
    let mut state = json!({ "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters, "End": true });
    for (field, value) in more.as_object().unwrap() {
        state[field] = value.clone();
    }
    json!({ "StartAt": "Call", "States": { "Call": state } })
}

fn etl(more: Value) -> Value {
    task(SYNC, json!({ "JobName": JOB, "Arguments": { "--ds": "2024-12-06" } }), more)
}

fn parsed(text: Option<String>) -> Value {
    serde_json::from_str(&text.expect("a text")).unwrap()
}

async fn until_runs(app: &App, glue: &FakeGlue, count: usize) {
    app.until("the run is started", async || (glue.runs().len() == count).then_some(())).await;
}

/// The public history.
async fn history(app: &App, execution: &str) -> Vec<Value> {
    let id = app.store().execution(execution).await.unwrap().unwrap().id;
    let query = HistoryQuery { reverse: false, after: None, limit: 1_000 };
    let events = app.store().history(id, &query).await.unwrap();
    events.iter().filter_map(|event| orchestrator::project(event, true)).collect()
}

/// The task's row says which run it waits for.
async fn until_written_down(app: &App, execution: &str) {
    app.until("the run's id is written down", async || {
        let id = app.store().execution(execution).await.unwrap()?.id;
        let tasks = app.store().tasks(id).await.unwrap();
        tasks.into_iter().find(|task| task.submission.as_ref().is_some_and(|written| written["JobRunId"].is_string()))
    })
    .await;
}

#[tokio::test]
async fn a_run_is_started_once_and_waited_for() {
    let glue = FakeGlue::start(&[(JOB, 1)]).await;
    let app = app(&glue, MemoryStore::new()).await;
    let arn = app.run_machine("etl", etl(json!({})), json!({})).await;
    until_written_down(&app, &arn).await;
    assert_eq!(app.store().execution(&arn).await.unwrap().unwrap().status, ExecutionStatus::Running);
    glue.end_runs("SUCCEEDED", None);
    let run = parsed(app.ended(&arn).await.output);
    let runs = glue.runs();
    assert_eq!((runs.len(), glue.calls("StartJobRun")), (1, 1));
    assert_eq!(
        (&run["Id"], &run["JobName"], &run["JobRunState"]),
        (&json!(runs[0].id), &json!(JOB), &json!("SUCCEEDED"))
    );
    assert_eq!(run["Arguments"], json!({ "--ds": "2024-12-06" }), "as the state machine gave them");
    assert_eq!((&run["StartedOn"], &run["ExecutionTime"]), (&json!(1_700_000_000_500_i64), &json!(59)));
    let events = history(&app, &arn).await;
    let submitted = events.iter().find(|event| event["type"] == "TaskSubmitted").expect("a TaskSubmitted");
    let output = parsed(submitted["taskSubmittedEventDetails"]["output"].as_str().map(str::to_owned));
    assert_eq!(output, json!({ "JobName": JOB, "JobRunId": runs[0].id }));
}

#[tokio::test]
async fn without_sync_nobody_waits() {
    let glue = FakeGlue::start(&[(JOB, 1)]).await;
    let app = app(&glue, MemoryStore::new()).await;
    let arn = app.run_machine("etl", task("glue:startJobRun", json!({ "JobName": JOB }), json!({})), json!({})).await;
    let output = parsed(app.ended(&arn).await.output);
    assert_eq!(output, json!({ "JobName": JOB, "JobRunId": glue.runs()[0].id }));
    assert_eq!(glue.runs()[0].state, "RUNNING");
}

#[tokio::test]
async fn every_other_end_is_the_failure_that_aws_gives() {
    for (state, message) in
        [("FAILED", Some("DQ_FAILED: 12 %")), ("TIMEOUT", None), ("ERROR", None), ("STOPPED", None), ("EXPIRED", None)]
    {
        let glue = FakeGlue::start(&[(JOB, 1)]).await;
        let app = app(&glue, MemoryStore::new()).await;
        let arn = app.run_machine("etl", etl(json!({})), json!({})).await;
        until_runs(&app, &glue, 1).await;
        glue.end_runs(state, message);
        let record = app.ended(&arn).await;
        assert_eq!(record.error.as_deref(), Some("States.TaskFailed"), "{state}");
        let cause = parsed(record.cause);
        assert_eq!((&cause["JobRunState"], &cause["ErrorMessage"]), (&json!(state), &json!(message)), "{cause}");
    }
}

#[tokio::test]
async fn refusals_have_the_names_that_retriers_match() {
    let glue = FakeGlue::start(&[(JOB, 1)]).await;
    let app = app(&glue, MemoryStore::new()).await;
    let first = app.run_machine("first", etl(json!({})), json!({})).await;
    until_runs(&app, &glue, 1).await;
    let second = app.run_machine("second", etl(json!({})), json!({})).await;
    let record = app.ended(&second).await;
    assert_eq!(record.error.as_deref(), Some("Glue.ConcurrentRunsExceededException"));
    let cause = record.cause.unwrap();
    assert!(
        cause
            .contains("(Service: AWSGlue; Status Code: 400; Error Code: ConcurrentRunsExceededException; Request ID: "),
        "{cause}"
    );
    let retry = json!({ "Retry": [{ "ErrorEquals": ["Glue.ConcurrentRunsExceededException"], "IntervalSeconds": 1, "MaxAttempts": 5 }] });
    let third = app.run_machine("third", etl(retry), json!({})).await;
    let calls = glue.calls("StartJobRun");
    app.until("the third is refused", async || (glue.calls("StartJobRun") > calls).then_some(())).await;
    glue.end_runs("SUCCEEDED", None);
    app.ended(&first).await;
    until_runs(&app, &glue, 2).await;
    glue.end_runs("SUCCEEDED", None);
    assert_eq!(app.ended(&third).await.status, ExecutionStatus::Succeeded);

    app.engine.bind("other", [("dev-none".to_owned(), Binding::Glue)]);
    let none = app.run_machine("none", task(SYNC, json!({ "JobName": "dev-none" }), json!({})), json!({})).await;
    assert_eq!(app.ended(&none).await.error.as_deref(), Some("Glue.EntityNotFoundException"));
}

#[tokio::test]
async fn throttled_and_unanswered_starts_come_to_one_run() {
    let glue = FakeGlue::start(&[(JOB, 5)]).await;
    let app = app(&glue, MemoryStore::new()).await;
    for _ in 0..3 {
        glue.refuse("StartJobRun", "ThrottlingException", 400);
    }
    let arn = app.run_machine("throttled", etl(json!({})), json!({})).await;
    until_runs(&app, &glue, 1).await;
    assert_eq!(glue.calls("StartJobRun"), 4);
    glue.refuse("GetJobRun", "ThrottlingException", 400);
    glue.refuse("GetJobRun", "ExpiredTokenException", 400);
    glue.end_runs("SUCCEEDED", None);
    assert_eq!(app.ended(&arn).await.status, ExecutionStatus::Succeeded);

    glue.lose_answer();
    let arn = app.run_machine("unanswered", etl(json!({})), json!({})).await;
    until_written_down(&app, &arn).await;
    assert_eq!(glue.runs().len(), 2, "the run whose answer was lost is found, not started again");
    glue.end_runs("SUCCEEDED", None);
    assert_eq!(app.ended(&arn).await.status, ExecutionStatus::Succeeded);

    for _ in 0..20 {
        glue.refuse("StartJobRun", "ThrottlingException", 400);
    }
    let arn = app.run_machine("in-vain", etl(json!({})), json!({})).await;
    assert_eq!(app.ended(&arn).await.error.as_deref(), Some("Glue.ThrottlingException"));
}

#[tokio::test]
async fn a_run_nobody_waits_for_any_more_is_stopped() {
    let glue = FakeGlue::start(&[(JOB, 5)]).await;
    let app = app(&glue, MemoryStore::new()).await;
    let stopped = app.run_machine("stopped", etl(json!({})), json!({})).await;
    until_written_down(&app, &stopped).await;
    app.actions.stop(&stopped, None).await.unwrap();
    app.until("the run is stopped", async || (glue.runs()[0].state == "STOPPED").then_some(())).await;

    let late = app.run_machine("late", etl(json!({ "TimeoutSeconds": 1 })), json!({})).await;
    assert_eq!(app.ended(&late).await.error.as_deref(), Some("States.Timeout"));
    app.until("the late run is stopped", async || (glue.runs()[1].state == "STOPPED").then_some(())).await;

    let branch = |name: &str, state: Value| json!({ "StartAt": name, "States": { name: state } });
    let call = etl(json!({}))["States"]["Call"].clone();
    let fail = json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 1, "Next": "Fail" }, "Fail": { "Type": "Fail", "Error": "Own" },
    } });
    let both = json!({ "StartAt": "Both", "States": { "Both": { "Type": "Parallel", "Branches": [branch("Call", call), fail], "End": true } } });
    let failed = app.run_machine("both", both, json!({})).await;
    assert_eq!(app.ended(&failed).await.error.as_deref(), Some("Own"));
    app.until("the neighbour's run is stopped", async || (glue.runs()[2].state == "STOPPED").then_some(())).await;
    assert_eq!(glue.runs().len(), 3);
    assert_eq!(glue.calls("BatchStopJobRun"), 3, "runs that ended by themselves are let be");
}

#[tokio::test]
async fn a_run_that_was_just_being_started_is_stopped_too() {
    let glue = FakeGlue::start(&[(JOB, 5)]).await;
    let app = app(&glue, MemoryStore::new()).await;
    glue.hold_answers();
    let arn = app.run_machine("held", etl(json!({})), json!({})).await;
    until_runs(&app, &glue, 1).await;
    app.actions.stop(&arn, None).await.unwrap();
    app.until("the run is stopped", async || (glue.runs()[0].state == "STOPPED").then_some(())).await;
    glue.let_go();
}

#[tokio::test]
async fn another_node_goes_on_waiting_without_a_second_run() {
    let (glue, store) = (FakeGlue::start(&[(JOB, 5)]).await, MemoryStore::new());
    let first = app(&glue, store.clone()).await;
    let arn = first.run_machine("etl", etl(json!({})), json!({})).await;
    until_written_down(&first, &arn).await;
    drop(first);
    let second = app(&glue, store).await;
    let looks = glue.calls("GetJobRun");
    second.until("the second node waits", async || (glue.calls("GetJobRun") > looks + 2).then_some(())).await;
    glue.end_runs("SUCCEEDED", None);
    assert_eq!(second.ended(&arn).await.status, ExecutionStatus::Succeeded);
    assert_eq!((glue.runs().len(), glue.calls("StartJobRun")), (1, 1));
}

#[tokio::test]
async fn a_node_that_died_between_start_and_writing_it_down_costs_no_second_run() {
    let (glue, store) = (FakeGlue::start(&[(JOB, 5)]).await, MemoryStore::new());
    let first = app(&glue, store.clone()).await;
    glue.hold_answers();
    let arn = first.run_machine("etl", etl(json!({})), json!({})).await;
    until_runs(&first, &glue, 1).await;
    drop(first);
    let second = app(&glue, store).await;
    until_written_down(&second, &arn).await;
    glue.let_go();
    glue.end_runs("SUCCEEDED", None);
    assert_eq!(second.ended(&arn).await.status, ExecutionStatus::Succeeded);
    assert_eq!((glue.runs().len(), glue.calls("StartJobRun")), (1, 1));
}

#[tokio::test]
async fn a_sheet_decides_before_a_worker_and_a_worker_before_aws() {
    let glue = FakeGlue::start(&[(JOB, 5)]).await;
    let app = app(&glue, MemoryStore::new()).await;
    // A worker has registered the job, and the sheet says Glue.
    app.serve(JOB, |_, _| Ok(json!({}))).await;
    let arn = app.run_machine("bound", etl(json!({})), json!({})).await;
    until_runs(&app, &glue, 1).await;
    glue.end_runs("SUCCEEDED", None);
    app.ended(&arn).await;
    // Without the sheet the worker has it.
    app.engine.bind("etl", []);
    let arn = app.start_execution("bound", json!({})).await;
    let run = parsed(app.ended(&arn).await.output);
    assert_eq!((&run["GlueVersion"], glue.runs().len()), (&json!("stepwell"), 1));
    // Neither, and AWS is not asked unless the server is told to.
    let arn = app.run_machine("other", task(SYNC, json!({ "JobName": "dev-other" }), json!({})), json!({})).await;
    let record = app.ended(&arn).await;
    assert_eq!(record.error.as_deref(), Some("Glue.EntityNotFoundException"));
    assert!(record.cause.unwrap().contains("AWS Glue is not configured"));
    assert_eq!(glue.runs().len(), 1);
}

#[tokio::test]
async fn crawlers_of_aws_are_passed_on() {
    let glue = FakeGlue::start(&[]).await;
    let app = app(&glue, MemoryStore::new()).await;
    let start = task("aws-sdk:glue:startCrawler", json!({ "Name": "dev-crawler" }), json!({}));
    let missing = app.run_machine("start", start, json!({})).await;
    assert_eq!(app.ended(&missing).await.error.as_deref(), Some("Glue.EntityNotFoundException"));
    glue.set_crawler("dev-crawler", "READY");
    let started = app.start_execution("start", json!({})).await;
    assert_eq!(parsed(app.ended(&started).await.output), json!({}));
    let again = app.start_execution("start", json!({})).await;
    assert_eq!(app.ended(&again).await.error.as_deref(), Some("Glue.CrawlerRunningException"));
    let get = task("aws-sdk:glue:getCrawler", json!({ "Name": "dev-crawler" }), json!({}));
    let looked = app.run_machine("get", get, json!({})).await;
    let crawler = &parsed(app.ended(&looked).await.output)["Crawler"];
    assert_eq!((&crawler["State"], &crawler["LastCrawl"]["Status"]), (&json!("RUNNING"), &json!("SUCCEEDED")));
    assert_eq!(crawler["LastCrawl"]["StartTime"], "2023-11-14T22:13:20.000Z");
}
