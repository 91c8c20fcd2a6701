//! Jobs through the worker: what a task's process is given, and what the service is told.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::fake_service::{End, FakeService, Manner};
use crate::support::{TestWorker, eventually, is_running};

/// Gives one task to a fresh worker and waits for its end.
async fn run_one(service: &FakeService, job: &str, input: &Value, more: &[&str]) -> (String, End) {
    let token = service.give(&format!("dev-{job}"), input);
    let worker = TestWorker::start(service, job, more);
    let end = eventually("the task's end", || service.end(&token)).await;
    worker.stop().await;
    (token, end)
}

#[track_caller]
fn failure(end: &End, expected_error: &str) -> Value {
    let End::Failure { error, cause } = end else { panic!("not a failure: {end:?}") };
    assert_eq!(error, expected_error, "{cause}");
    serde_json::from_str(cause).expect("the cause is JSON")
}

#[tokio::test]
async fn a_job_gets_its_arguments_and_its_result_is_the_output() {
    let service = FakeService::start();
    let input = json!({"JobName": "dev-test-echo", "Arguments": {"--ds": "2024-12-07", "--note": "--a 'b' ü"}});
    let (token, end) = run_one(&service, "test-echo", &input, &["--storage-root", "/lake"]).await;
    let End::Success(result) = end else { panic!("{end:?}") };
    assert_eq!((&result["job"], &result["status"]), (&json!("test-echo"), &json!("SUCCEEDED")));
    let (arguments, environment) = (&result["metrics"]["arguments"], &result["metrics"]["environment"]);
    assert_eq!((&arguments["ds"], &arguments["note"]), (&json!("2024-12-07"), &json!("--a 'b' ü")));
    assert_eq!(environment["STEPWELL_LAKE"], "/lake");
    assert_eq!(environment["STEPWELL_TASK"], arguments["lock_owner"]);
    assert!(!environment.to_string().contains(&token), "the token stays in the worker");

    let book = service.book();
    let report = &book.reports[&token];
    assert_eq!((&report["result"], &report["exit_code"]), (&result, &json!(0)));
    assert!(report["ended_at"].as_i64() >= report["started_at"].as_i64() && report["started_at"].as_i64() > Some(0));
    assert!(report["peak_memory_bytes"].as_u64() > Some(1 << 20), "what the job measured itself: {report}");
    assert_eq!(book.late_reports, 0, "the report comes before the completion");
    assert_eq!(book.activities, ["dev-test-echo"]);
}

#[tokio::test]
async fn a_failed_job_fails_its_task_with_its_code_and_is_not_repeated() {
    let service = FakeService::start();
    let input = json!({"--code": "DQ_FAILED", "--message": "3 critical errors"});
    let (token, end) = run_one(&service, "test-fail", &input, &[]).await;
    let cause = failure(&end, "DQ_FAILED");
    assert_eq!(cause["errorMessage"], "DQ_FAILED: 3 critical errors");
    assert_eq!(cause["result"]["status"], "FAILED");
    let report = &service.book().reports[&token];
    assert_eq!((&report["exit_code"], &report["attempt"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_retryable_code_is_tried_once_more_under_the_same_lock_owner() {
    let service = FakeService::start();
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("first-attempt");
    let input = json!({"--marker": marker.to_str().unwrap(), "--code": "STORAGE_ERROR"});
    let (token, end) = run_one(&service, "test-flaky", &input, &[]).await;
    let End::Success(result) = end else { panic!("{end:?}") };
    assert_eq!(result["metrics"]["owner"], std::fs::read_to_string(marker).unwrap());
    assert_eq!(service.book().reports[&token]["attempt"], 2);
    let log = service.log(&token);
    assert!(log.iter().any(|line| line.starts_with("[attempt 1 failed: STORAGE_ERROR")), "{log:?}");
}

#[tokio::test]
async fn retries_are_bounded() {
    let service = FakeService::start();
    for (retries, attempts) in [("0", 1), ("1", 2)] {
        let input = json!({"--code": "GLUE_JOB_FAILED"});
        let (token, end) = run_one(&service, "test-fail", &input, &["--job-retries", retries]).await;
        failure(&end, "GLUE_JOB_FAILED");
        assert_eq!(service.book().reports[&token]["attempt"], attempts, "{retries} retries");
    }
}

#[tokio::test]
async fn a_crash_is_an_unexpected_error_with_the_last_words() {
    let service = FakeService::start();
    let (token, end) = run_one(&service, "test-abort", &json!({}), &["--job-retries", "0"]).await;
    let cause = failure(&end, "UNEXPECTED_ERROR");
    assert!(cause["errorMessage"].as_str().unwrap().contains("signal 6 (SIGABRT)"), "{cause}");
    assert_eq!(cause["lastLines"], json!(["about to abort"]));
    let report = &service.book().reports[&token];
    assert_eq!((&report["signal"], &report["exit_code"], &report["result"]), (&json!(6), &Value::Null, &Value::Null));
}

#[tokio::test]
async fn an_end_without_result_is_no_success() {
    let service = FakeService::start();
    let (_, end) = run_one(&service, "test-mute", &json!({}), &["--job-retries", "0"]).await;
    let cause = failure(&end, "UNEXPECTED_ERROR");
    assert!(cause["errorMessage"].as_str().unwrap().contains("exit status 0 without a result object"), "{cause}");
}

#[tokio::test]
async fn a_job_over_its_memory_is_ended_and_says_so() {
    let service = FakeService::start();
    let input = json!({"--mib": 300, "--seconds": 600});
    let (_, end) = run_one(&service, "test-memory", &input, &["--job-memory-mib", "100"]).await;
    let cause = failure(&end, "UNEXPECTED_ERROR");
    assert!(cause["errorMessage"].as_str().unwrap().contains("more than this worker allows"), "{cause}");
}

#[tokio::test]
async fn input_that_is_no_command_line_fails_without_a_process() {
    let service = FakeService::start();
    for (input, part) in [(json!(["x"]), "must be an object"), (json!({"--ds": null}), "`--ds`")] {
        let (token, end) = run_one(&service, "test-echo", &input, &[]).await;
        let cause = failure(&end, "PRE_VALIDATION_FAILED");
        assert!(cause["errorMessage"].as_str().unwrap().contains(part), "{cause}");
        assert!(!service.book().reports.contains_key(&token));
    }
}

#[tokio::test]
async fn a_job_of_the_registry_refuses_an_argument_it_does_not_know() {
    let service = FakeService::start();
    let input = json!({"JobName": "dev-daily-prices-compaction", "Arguments": {"--ds": "2024-12-07", "--bogus": "1"}});
    let (token, end) = run_one(&service, "daily-prices-compaction", &input, &[]).await;
    let cause = failure(&end, "PRE_VALIDATION_FAILED");
    assert!(cause["errorMessage"].as_str().unwrap().contains("--bogus"), "{cause}");
    let report = &service.book().reports[&token];
    assert_eq!((&report["exit_code"], &report["attempt"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn log_lines_arrive_while_the_job_runs() {
    let service = FakeService::start();
    let token = service.give("dev-test-sleep", &json!({"--seconds": 600}));
    let worker = TestWorker::start(&service, "test-sleep", &[]);
    eventually("five lines of a running job", || (service.log(&token).len() > 5).then_some(())).await;
    assert_eq!(service.end(&token), None, "the job still runs");
    let lines: Vec<String> = service.log(&token)[1..5].to_vec();
    assert_eq!(lines, ["line 1", "line 2", "line 3", "line 4"]);
    let first = service.book().logs[&token][0].clone();
    assert_eq!(first["stream"], "stderr");
    assert!(first["at"].as_i64() > Some(1_700_000_000_000), "{first}");
    worker.now.cancel();
    worker.stop().await;
}

#[tokio::test]
async fn a_stopped_task_ends_its_process_and_reports_no_outcome() {
    let service = FakeService::start();
    let token = service.give("dev-test-sleep", &json!({"--seconds": 600}));
    let worker = TestWorker::start(&service, "test-sleep", &["--slots", "1"]);
    let pid = eventually("the job's process", || service.pid(&token)).await;
    let stopped_at = std::time::Instant::now();
    service.stop_task(&token);
    eventually("the process to end", || (!is_running(pid)).then_some(())).await;
    assert!(stopped_at.elapsed().as_secs() < 10, "took {:?}", stopped_at.elapsed());
    // The slot is free again, and nothing was said about the stopped task.
    let next = service.give("dev-test-sleep", &json!({"--seconds": 0.1}));
    assert!(matches!(eventually("the next task", || service.end(&next)).await, End::Success(_)));
    assert_eq!(service.end(&token), Some(End::Gone));
    worker.stop().await;
}

#[tokio::test]
async fn a_service_that_was_away_gets_result_and_log_when_it_is_back() {
    let mut service = FakeService::start();
    let token = service.give("dev-test-sleep", &json!({"--seconds": 1}));
    let worker = TestWorker::start(&service, "test-sleep", &[]);
    let pid = eventually("the job's process", || service.pid(&token)).await;
    service.go_away();
    eventually("the job's end", || (!is_running(pid)).then_some(())).await;
    service.come_back();
    let End::Success(result) = eventually("the result", || service.end(&token)).await else { panic!("no success") };
    let last = format!("line {}", result["metrics"]["lines"]);
    assert_eq!(service.log(&token).last(), Some(&last));
    assert_eq!(service.book().late_reports, 0);
    // And the worker goes on.
    let next = service.give("dev-test-sleep", &json!({"--seconds": 0.1}));
    assert!(matches!(eventually("the next task", || service.end(&next)).await, End::Success(_)));
    worker.stop().await;
}

#[tokio::test]
async fn a_service_that_comes_back_between_log_and_result_gets_both() {
    let service = FakeService::start();
    let worker = TestWorker::start(&service, "test-sleep", &[]);
    // From a service that has taken logs and reports before, the later ones are of a proxy or of changed tokens.
    for answer in [503, 404, 401] {
        service.book().deaf = Some(StatusCode::from_u16(answer).unwrap());
        let token = service.give("dev-test-sleep", &json!({"--seconds": 0.3}));
        let End::Success(result) = eventually("the result", || service.end(&token)).await else { panic!("no success") };
        let last = format!("line {}", result["metrics"]["lines"]);
        assert_eq!(service.log(&token).last(), Some(&last), "{answer}");
        assert!(service.book().reports.contains_key(&token), "{answer}");
        assert_eq!(service.book().late_reports, 0, "{answer}");
        assert_eq!(service.book().deaf, None, "{answer}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_service_without_logs_and_reports_is_served_all_the_same() {
    let service = FakeService::with(Manner { extras: false, ..Manner::default() });
    let (_, end) = run_one(&service, "test-echo", &json!({}), &[]).await;
    assert!(matches!(end, End::Success(_)), "{end:?}");
}

#[tokio::test]
async fn a_result_the_service_refuses_becomes_a_failure() {
    let service = FakeService::with(Manner { output_bytes_max: 100, ..Manner::default() });
    let (_, end) = run_one(&service, "test-echo", &json!({}), &[]).await;
    let cause = failure(&end, "UNEXPECTED_ERROR");
    assert!(cause["errorMessage"].as_str().unwrap().contains("not accepted"), "{cause}");
}

#[tokio::test]
async fn no_more_jobs_run_at_once_than_there_are_slots() {
    let service = FakeService::start();
    let worker = TestWorker::start(&service, "test-sleep,test-memory", &["--slots", "1"]);
    eventually("both polls", || (service.book().polls.len() == 2).then_some(())).await;
    let tokens = ["dev-test-sleep", "dev-test-memory"].map(|activity| service.give(activity, &json!({"--seconds": 1})));
    for token in &tokens {
        assert!(matches!(eventually("both ends", || service.end(token)).await, End::Success(_)));
    }
    worker.stop().await;
    let book = service.book();
    let mut spans = tokens.map(|token| {
        let report = &book.reports[&token];
        (report["started_at"].as_i64().unwrap(), report["ended_at"].as_i64().unwrap())
    });
    spans.sort();
    assert!(spans[1].0 >= spans[0].1, "the second began before the first ended: {spans:?}");
    let waited = &book.started[1];
    assert!(book.heartbeats.get(waited).copied().unwrap_or_default() >= 3, "a task that waits keeps its lease");
}
