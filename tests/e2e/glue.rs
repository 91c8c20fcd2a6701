//! Jobs on AWS Glue, with servers that are killed while they wait.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, serve_in, until};

#[allow(dead_code, reason = "shared with the tests inside one process")]
#[path = "../support/fake_glue.rs"]
mod fake_glue;

use fake_glue::FakeGlue;

/// From a kill to the end: the lease of the dead server, and the next one's start.
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_job_on_aws_glue_survives_kill_9_of_its_server_without_a_second_run() {
    let glue = FakeGlue::start(&[("etl", 5)]).await;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("data").display());
    let flags = ["--aws-glue", "--lease-seconds", "2"];
    let environment = [("AWS_ENDPOINT_URL_GLUE", glue.url.as_str())];
    let (mut server, address) = serve_in(&database, "127.0.0.1:0", &flags, &environment);
    let client = Client::new(&address);
    let machine = client
        .machine(
            "etl",
            &json!({ "StartAt": "Etl", "States": { "Etl": {
                "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "End": true,
                "Parameters": { "JobName": "etl", "Arguments": { "--ds": "2024-12-06" } },
            } } }),
        )
        .await;

    // Killed while it waits for the run.
    let waiting = client.start(&machine, "waiting", &json!({})).await;
    until("the run is submitted", WITHIN, || async {
        let history = client.history(&waiting).await;
        history.iter().any(|event| event["type"] == "TaskSubmitted").then_some(())
    })
    .await;
    server.kill();
    let (mut server, _) = serve_in(&database, &address, &flags, &environment);
    let looks = glue.calls("GetJobRun");
    until("the next server waits for the run", WITHIN, || async { (glue.calls("GetJobRun") > looks).then_some(()) })
        .await;
    glue.end_runs("SUCCEEDED", None);
    let ended = client.ended(&waiting, WITHIN).await;
    let output: Value = serde_json::from_str(ended["output"].as_str().expect("an output")).unwrap();
    assert_eq!((&output["JobRunState"], &output["Id"]), (&json!("SUCCEEDED"), &json!(glue.runs()[0].id)));

    // Killed after Glue started the run and before the server heard of it.
    glue.hold_answers();
    let starting = client.start(&machine, "starting", &json!({})).await;
    until("the run is started", WITHIN, || async { (glue.runs().len() == 2).then_some(()) }).await;
    server.kill();
    glue.let_go();
    let (_server, _) = serve_in(&database, &address, &flags, &environment);
    until("the run is found", WITHIN, || async {
        let history = client.history(&starting).await;
        history.iter().any(|event| event["type"] == "TaskSubmitted").then_some(())
    })
    .await;
    // Stopping the execution stops the run.
    client.must("StopExecution", json!({ "executionArn": starting })).await;
    until("the run is stopped", WITHIN, || async { (glue.runs()[1].state == "STOPPED").then_some(()) }).await;
    assert_eq!((glue.runs().len(), glue.calls("StartJobRun")), (2, 2), "two executions, two runs");
}
