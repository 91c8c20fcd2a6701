//! Data jobs under real workers: killed, stopped, watched.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator::store::{Store, open, testing};
use serde_json::{Value, json};

use crate::crash::check_history;
use crate::support::{Client, serve, until, worker};

const JOB: &str = "dev-test-sleep";
const SOON: Duration = Duration::from_secs(30);

fn machine(seconds: u32) -> Value {
    json!({ "StartAt": "Job", "States": { "Job": {
        "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "End": true,
        "Parameters": { "JobName": JOB, "Arguments": { "--seconds": seconds.to_string() } }
    } } })
}

/// What the execution's jobs have written so far.
async fn lines(store: &Arc<dyn Store>, arn: &str) -> Vec<String> {
    let execution = store.execution(arn).await.expect("the store answers").expect("the execution exists");
    let log = store.log(execution.id, None, 0, 1000).await.expect("the store answers");
    log.into_iter().map(|line| line.text).collect()
}

/// Processes that said who they are, in order.
async fn pids(store: &Arc<dyn Store>, arn: &str) -> Vec<u32> {
    let lines = lines(store, arn).await;
    lines.iter().filter_map(|line| line.strip_prefix("pid ")?.parse().ok()).collect()
}

async fn first_pid(store: &Arc<dyn Store>, arn: &str) -> u32 {
    until("the job says its process id", SOON, || async { pids(store, arn).await.first().copied() }).await
}

async fn gone(pid: u32, within: Duration) {
    let status = format!("/proc/{pid}/status");
    until(&format!("process {pid} is gone"), within, || async {
        let status = std::fs::read_to_string(Path::new(&status)).unwrap_or_default();
        // One that nobody waited for is dead all the same.
        (status.is_empty() || status.contains("\nState:\tZ")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_killed_worker_is_taken_over_by_another() {
    let database = testing::postgres().await.expect("a database");
    let (_server, address) = serve(&database.url, "127.0.0.1:0", &["--lease-seconds", "3"]);
    let client = Client::new(&address);
    let store = open(&database.url).await.expect("the store opens");
    let mut first = worker(&address, "first", &["--only", "test-sleep"]);
    client.served(JOB).await;
    let machine = client.machine("sleep", &machine(3)).await;
    let arn = client.start(&machine, "taken-over", &json!({})).await;
    let pid = first_pid(&store, &arn).await;
    first.kill();
    gone(pid, Duration::from_secs(5)).await;
    let _second = worker(&address, "second", &["--only", "test-sleep"]);
    let ended = client.ended(&arn, SOON).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let pids = pids(&store, &arn).await;
    assert!(pids.len() == 2 && pids[0] != pids[1], "two processes worked on it: {pids:?}");
    let history = client.history(&arn).await;
    check_history(&arn, &history);
    let scheduled = history.iter().filter(|event| event["type"] == "TaskScheduled").count();
    assert_eq!(scheduled, 1, "taking over is no new attempt: {history:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_an_execution_ends_its_jobs_process_within_seconds() {
    let database = testing::postgres().await.expect("a database");
    let (_server, address) = serve(&database.url, "127.0.0.1:0", &[]);
    let client = Client::new(&address);
    let store = open(&database.url).await.expect("the store opens");
    let _worker = worker(&address, "only", &["--only", "test-sleep"]);
    client.served(JOB).await;
    let machine = client.machine("sleep", &machine(600)).await;
    let arn = client.start(&machine, "stopped", &json!({})).await;
    let pid = first_pid(&store, &arn).await;
    // Lines arrive while the job runs, not at its end.
    until("a later line arrives", SOON, || async {
        lines(&store, &arn).await.contains(&"line 5".to_owned()).then_some(())
    })
    .await;
    let now = client.must("DescribeExecution", json!({ "executionArn": arn })).await;
    assert_eq!(now["status"], "RUNNING", "{now}");
    client.must("StopExecution", json!({ "executionArn": arn, "error": "Enough", "cause": "asked to" })).await;
    gone(pid, Duration::from_secs(8)).await;
    let ended = client.ended(&arn, SOON).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("ABORTED"), &json!("Enough")), "{ended}");
}
