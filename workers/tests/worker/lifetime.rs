//! The worker's own life: drain, second signal, sudden death, and what the dashboard hears of it.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::fake_service::{End, FakeService, Manner};
use crate::support::{PROGRAM, TestWorker, eventually, flags, is_running};

/// A worker as a process of its own.
fn start_process(service: &FakeService, more: &[&str]) -> Child {
    start_process_for(service, "test-sleep", more)
}

fn start_process_for(service: &FakeService, job: &str, more: &[&str]) -> Child {
    let flags = flags(service, job, more);
    let mut command = Command::new(PROGRAM);
    command.arg("worker").args(flags).stdin(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the worker starts")
}

fn signal(worker: &Child, signal: Signal) {
    kill(Pid::from_raw(worker.id().cast_signed()), signal).expect("the worker runs");
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_takes_nothing_new() {
    let service = FakeService::start();
    let running = service.give("dev-test-sleep", &json!({"--seconds": 2}));
    let worker = TestWorker::start(&service, "test-sleep", &[]);
    eventually("the job's process", || service.pid(&running)).await;
    worker.shutdown.cancel();
    eventually("the announcement", || {
        service.book().worker_heartbeats.iter().any(|beat| beat["status"] == "draining").then_some(())
    })
    .await;
    let late = service.give("dev-test-sleep", &json!({"--seconds": 0.1}));
    worker.wait().await;
    assert!(matches!(service.end(&running), Some(End::Success(_))));
    assert!(!service.book().started.contains(&late), "a draining worker took a task");
    assert_eq!(service.book().worker_heartbeats.last().unwrap()["status"], "stopped");
}

#[tokio::test]
async fn a_worker_with_open_polls_and_nothing_to_do_stops_at_once() {
    for extras in [true, false] {
        let service = FakeService::with(Manner { extras, ..Manner::default() });
        let worker = TestWorker::start(&service, "test-sleep,test-function-echo", &[]);
        eventually("both polls", || (service.book().polls.len() == 2).then_some(())).await;
        let asked_at = Instant::now();
        worker.stop().await;
        assert!(asked_at.elapsed().as_secs() < 20, "extras {extras}: took {:?}", asked_at.elapsed());
    }
}

#[tokio::test]
async fn after_the_drain_time_jobs_end_and_their_tasks_are_given_back() {
    let service = FakeService::start();
    let token = service.give("dev-test-sleep", &json!({"--seconds": 600}));
    let worker = TestWorker::start(&service, "test-sleep", &["--drain-seconds", "0.5"]);
    let pid = eventually("the job's process", || service.pid(&token)).await;
    worker.stop().await;
    assert!(!is_running(pid));
    assert_eq!((service.end(&token), &service.book().released), (None, &vec![token.clone()]));
}

#[tokio::test]
async fn a_task_waiting_for_a_slot_is_given_back_at_the_start_of_the_drain() {
    let service = FakeService::start();
    let worker = TestWorker::start(&service, "test-sleep,test-memory", &["--slots", "1"]);
    eventually("both polls", || (service.book().polls.len() == 2).then_some(())).await;
    let tokens = [("dev-test-sleep", 3), ("dev-test-memory", 3)]
        .map(|(activity, seconds)| service.give(activity, &json!({ "--seconds": seconds })));
    eventually("both tasks handed out", || (service.book().started.len() == 2).then_some(())).await;
    worker.stop().await;
    let released = service.book().released.clone();
    assert_eq!(released.len(), 1, "{released:?}");
    let worked = tokens.iter().find(|token| !released.contains(token)).unwrap();
    assert!(matches!(service.end(worked), Some(End::Success(_))));
}

#[tokio::test]
async fn kill_9_of_the_worker_takes_its_jobs_along() {
    let service = FakeService::start();
    let token = service.give("dev-test-sleep", &json!({"--seconds": 600}));
    let mut worker = start_process(&service, &[]);
    let pid = eventually("the job's process", || service.pid(&token)).await;
    assert!(is_running(pid));
    signal(&worker, Signal::SIGKILL);
    worker.wait().unwrap();
    eventually("the job to follow", || (!is_running(pid)).then_some(())).await;
    assert_eq!(service.end(&token), None);
}

/// The temporary file of a running `test-litter`.
async fn litter(service: &FakeService, token: &str) -> std::path::PathBuf {
    let left = eventually("the job's temporary file", || {
        service.log(token).iter().find_map(|line| line.strip_prefix("left ").map(std::path::PathBuf::from))
    })
    .await;
    assert!(left.is_file(), "{}", left.display());
    left
}

#[tokio::test]
async fn a_killed_job_leaves_no_temporary_files() {
    let service = FakeService::start();
    let token = service.give("dev-test-litter", &json!({"--seconds": 600}));
    let mut worker = start_process_for(&service, "test-litter", &["--job-retries", "0"]);
    let pid = eventually("the job's process", || service.pid(&token)).await;
    let left = litter(&service, &token).await;
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
    eventually("the worker to clean up", || (!left.parent().unwrap().exists()).then_some(())).await;

    let token = service.give("dev-test-litter", &json!({"--seconds": 600}));
    let left = litter(&service, &token).await;
    signal(&worker, Signal::SIGKILL);
    worker.wait().unwrap();
    eventually("the job to clean up before it follows", || (!left.parent().unwrap().exists()).then_some(())).await;
}

#[tokio::test]
async fn a_second_signal_ends_worker_and_jobs_at_once() {
    let service = FakeService::start();
    let token = service.give("dev-test-sleep", &json!({"--seconds": 600}));
    let mut worker = start_process(&service, &["--drain-seconds", "600"]);
    let pid = eventually("the job's process", || service.pid(&token)).await;
    signal(&worker, Signal::SIGTERM);
    eventually("the drain", || {
        service.book().worker_heartbeats.iter().any(|beat| beat["status"] == "draining").then_some(())
    })
    .await;
    assert!(is_running(pid), "the first signal lets the job go on");
    signal(&worker, Signal::SIGINT);
    let status = eventually("the worker's end", || worker.try_wait().unwrap()).await;
    assert!(status.success(), "{status}");
    assert!(!is_running(pid));
    assert_eq!(service.book().released, [token]);
}

#[tokio::test]
async fn a_worker_may_start_before_the_service() {
    let mut service = FakeService::start();
    service.go_away();
    let worker = TestWorker::start(&service, "test-sleep", &[]);
    let token = service.give("dev-test-sleep", &json!({"--seconds": 0.1}));
    service.come_back();
    assert!(matches!(eventually("the task's end", || service.end(&token)).await, End::Success(_)));
    worker.stop().await;
}

#[tokio::test]
async fn the_dashboard_hears_what_runs_but_no_token() {
    let service = FakeService::start();
    let token = service.give("dev-test-sleep", &json!({"--seconds": 600}));
    let worker = TestWorker::start(&service, "test-sleep", &["--slots", "3"]);
    let beat = eventually("a heartbeat with the running task", || {
        let book = service.book();
        book.worker_heartbeats.iter().find(|beat| beat["running"][0]["activity"] == "dev-test-sleep").cloned()
    })
    .await;
    assert_eq!((&beat["name"], &beat["slots"], &beat["status"]), (&json!("tester"), &json!(3), &json!("serving")));
    assert_eq!((&beat["activities"], &beat["pid"]), (&json!(["dev-test-sleep"]), &json!(std::process::id())));
    assert!(beat["running"][0]["since"].as_i64() > Some(1_700_000_000_000), "{beat}");
    assert!(!beat.to_string().contains(&token), "{beat}");
    worker.now.cancel();
    worker.stop().await;
}
