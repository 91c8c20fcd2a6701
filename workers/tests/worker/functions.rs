//! Functions through the worker: JSON in, JSON out, failures as Lambda gives them.

use serde_json::{Value, json};

use crate::support::fake_service::{End, FakeService};
use crate::support::{TestWorker, eventually};

async fn call(name: &str, input: &Value, more: &[&str]) -> End {
    let service = FakeService::start();
    let token = service.give(&format!("staging-test-function-{name}"), input);
    let flags = [&["--env", "staging"], more].concat();
    let worker = TestWorker::start(&service, &format!("test-function-{name}"), &flags);
    let end = eventually("the function's end", || service.end(&token)).await;
    worker.stop().await;
    end
}

#[track_caller]
fn check_failure(end: &End, error: &str, message: &str) {
    let End::Failure { error: got, cause } = end else { panic!("not a failure: {end:?}") };
    let cause: Value = serde_json::from_str(cause).expect("the cause is JSON");
    assert_eq!((got.as_str(), &cause["errorType"]), (error, &json!(error)));
    assert!(cause["errorMessage"].as_str().expect("a message").contains(message), "{cause}");
}

#[tokio::test]
async fn a_function_answers_with_json() {
    let input = json!({"ds": "2024-12-07", "n": [1, null, "ü"]});
    assert_eq!(call("echo", &input, &[]).await, End::Success(input));
}

#[tokio::test]
async fn a_failure_carries_its_name_and_message() {
    check_failure(&call("fail", &json!({}), &[]).await, "NO_RAW_DATA", "asked to fail");
}

#[tokio::test]
async fn a_panic_is_reported_and_harms_nobody() {
    check_failure(&call("panic", &json!({}), &[]).await, "UNEXPECTED_ERROR", "panicked: asked to panic");
}

#[tokio::test]
async fn a_function_that_overruns_its_time_is_reported_as_timed_out() {
    let flags = ["--function-timeout-seconds", "0.3"];
    let end = call("slow", &json!({"seconds": 600}), &flags).await;
    check_failure(&end, "Sandbox.Timedout", "timed out after 0.30 seconds");
}

#[tokio::test]
async fn a_slow_function_keeps_its_lease() {
    let service = FakeService::start();
    let token = service.give("dev-test-function-slow", &json!({"seconds": 1.5}));
    let worker = TestWorker::start(&service, "test-function-slow", &[]);
    eventually("the function's end", || service.end(&token)).await;
    assert!(service.book().heartbeats[&token] >= 2);
    worker.stop().await;
}
