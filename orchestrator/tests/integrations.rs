//! What the orchestrator performs itself: nested executions, crawlers, messages.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod support;

use asl::Failure;
use orchestrator::store::ExecutionStatus;
use serde_json::{Value, json};

use support::{App, Options};

const MACHINES: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:";

async fn app() -> App {
    let folder = tempfile::tempdir().unwrap();
    App::start(folder.path(), Options::default()).await
}

/// A machine of one task.
fn task(resource: &str, parameters: Value) -> Value {
    json!({ "StartAt": "Call", "States": { "Call": { "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters, "End": true } } })
}

fn output(text: Option<String>) -> Value {
    serde_json::from_str(&text.expect("it succeeded")).unwrap()
}

#[tokio::test]
async fn executions_start_executions_and_wait_for_them() {
    let app = app().await;
    let pass = json!({ "StartAt": "P", "States": { "P": { "Type": "Pass", "Result": { "made": 1 }, "End": true } } });
    app.run_machine("child", pass, json!({})).await;
    let child = format!("{MACHINES}child");

    let plain = app
        .run_machine(
            "plain",
            task("states:startExecution", json!({ "StateMachineArn": child, "Input": { "a": 1 } })),
            json!({}),
        )
        .await;
    let plain = output(app.ended(&plain).await.output);
    assert!(
        plain["ExecutionArn"].as_str().unwrap().contains(":execution:child:") && plain["StartDate"].is_number(),
        "{plain}"
    );

    for (pattern, input, result) in
        [(".sync", json!(r#"{"a":1}"#), json!(r#"{"made":1}"#)), (".sync:2", json!({ "a": 1 }), json!({ "made": 1 }))]
    {
        let machine = task(
            &format!("states:startExecution{pattern}"),
            json!({ "StateMachineArn": child, "Input": { "a": 1 }, "Name": format!("n{}", pattern.len()) }),
        );
        let parent = app.run_machine(&format!("p{}", pattern.len()), machine, json!({})).await;
        let got = output(app.ended(&parent).await.output);
        assert_eq!(
            (&got["Input"], &got["Output"], &got["Status"]),
            (&input, &result, &json!("SUCCEEDED")),
            "{pattern}"
        );
    }
}

#[tokio::test]
async fn a_failed_child_fails_its_parent_with_its_description() {
    let app = app().await;
    let fail = json!({ "StartAt": "F", "States": { "F": { "Type": "Fail", "Error": "Own", "Cause": "because" } } });
    app.run_machine("bad", fail, json!({})).await;
    let machine = task(
        "states:startExecution.sync:2",
        json!({ "StateMachineArn": format!("{MACHINES}bad"), "Input": { "a": 1 } }),
    );
    let parent = app.run_machine("parent", machine, json!({})).await;
    let record = app.ended(&parent).await;
    assert_eq!(record.error.as_deref(), Some("States.TaskFailed"));
    let cause = output(record.cause);
    assert_eq!(
        (&cause["Error"], &cause["Cause"], &cause["Status"], &cause["Input"]),
        (&json!("Own"), &json!("because"), &json!("FAILED"), &json!(r#"{"a":1}"#))
    );

    let machine = task("states:startExecution", json!({ "StateMachineArn": format!("{MACHINES}none") }));
    let parent = app.run_machine("lost", machine, json!({})).await;
    assert_eq!(app.ended(&parent).await.error.as_deref(), Some("StepFunctions.StateMachineDoesNotExistException"));
}

#[tokio::test]
async fn stopping_a_parent_stops_its_child() {
    let app = app().await;
    let wait = json!({ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 600, "End": true } } });
    let first = app.run_machine("slow", wait, json!({})).await;
    app.actions.stop(&first, None).await.unwrap();
    let machine =
        task("states:startExecution.sync", json!({ "StateMachineArn": format!("{MACHINES}slow"), "Name": "nested" }));
    let parent = app.run_machine("impatient", machine, json!({})).await;
    let nested = first.rsplit_once(':').unwrap().0.to_owned() + ":nested";
    app.until("the child runs", async || app.store().execution(&nested).await.unwrap()).await;
    app.until("what was submitted is written down", async || {
        let id = app.store().execution(&parent).await.unwrap().unwrap().id;
        app.store().tasks(id).await.unwrap().into_iter().find(|task| task.submission.is_some())
    })
    .await;
    app.actions.stop(&parent, None).await.unwrap();
    assert_eq!(app.ended(&nested).await.status, ExecutionStatus::Aborted);
}

#[tokio::test]
async fn a_node_that_died_is_followed_by_one_that_goes_on_waiting() {
    let store = orchestrator::store::MemoryStore::new();
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { store: store.clone(), ..Options::default() };
    let first = App::start(folder.path(), options()).await;
    let queue = first.activity("work").await;
    let child = json!({ "StartAt": "A", "States": { "A": { "Type": "Task", "Resource": queue, "End": true } } });
    let probe = first.run_machine("child", child, json!({})).await;
    first.actions.stop(&probe, None).await.unwrap();
    let machine = task("states:startExecution.sync:2", json!({ "StateMachineArn": format!("{MACHINES}child") }));
    let parent = first.run_machine("parent", machine, json!({})).await;
    first
        .until("the child is submitted", async || {
            let id = first.store().execution(&parent).await.unwrap().unwrap().id;
            first.store().tasks(id).await.unwrap().into_iter().find(|task| task.submission.is_some())
        })
        .await;
    drop(first);
    let second = App::start(folder.path(), options()).await;
    second.serve("work", |_, _| Ok(json!("done"))).await;
    let got = output(second.ended(&parent).await.output);
    assert_eq!(got["Output"], "done");
    let children = orchestrator::store::ExecutionFilter {
        state_machine_arn: Some(format!("{MACHINES}child")),
        ..Default::default()
    };
    let children = second.store().list_executions(&children, &Default::default()).await.unwrap().items;
    assert_eq!(children.len(), 2, "the probe, and one nested execution");
}

#[tokio::test]
async fn a_crawl_fills_the_catalog() {
    let app = app().await;
    let crawler = "dev-curated-data-crawler";
    let start = || task("aws-sdk:glue:startCrawler", json!({ "Name": crawler }));
    let get = || task("aws-sdk:glue:getCrawler", json!({ "Name": crawler }));
    let missing = app.run_machine("missing", start(), json!({})).await;
    let record = app.ended(&missing).await;
    assert_eq!(record.error.as_deref(), Some("Glue.EntityNotFoundException"));
    assert!(record.cause.unwrap().contains("stepwell worker"));

    let queue = app.activity(crawler).await;
    let started = app.run_machine("start", start(), json!({})).await;
    assert_eq!(output(app.ended(&started).await.output), json!({}));
    let again = app.run_machine("again", start(), json!({})).await;
    assert_eq!(app.ended(&again).await.error.as_deref(), Some("Glue.CrawlerRunningException"));
    let look = app.run_machine("look", get(), json!({})).await;
    let shown = output(app.ended(&look).await.output);
    assert_eq!((&shown["Crawler"]["State"], &shown["Crawler"]["LastCrawl"]), (&json!("RUNNING"), &Value::Null));

    let crawl = app.engine.take(&queue, Some("w"), support::DEADLINE).await.unwrap().unwrap();
    let table = json!({ "database": "dev_data_platform", "name": "curated_prices", "location": "s3://c/m/p/", "columns": [], "partition_keys": [{ "name": "ds", "type": "string" }], "partitions": [{ "values": ["2024-12-06"], "rows": 4 }] });
    app.engine
        .succeed(crawl.token.as_str(), json!({ "status": "SUCCEEDED", "metrics": { "tables": [table] } }))
        .await
        .unwrap();
    let crawl = app.store().execution_by_id(crawl.execution).await.unwrap().unwrap();
    app.ended(&crawl.arn).await;
    let (_, tables) = app.call("GET", "/api/v1/tables", None).await;
    assert_eq!(
        (&tables["items"][0]["name"], &tables["items"][0]["crawler"]),
        (&json!("curated_prices"), &json!(crawler))
    );
    let look = app.start_execution("look", json!({})).await;
    let shown = output(app.ended(&look).await.output);
    assert_eq!(
        (&shown["Crawler"]["State"], &shown["Crawler"]["LastCrawl"]["Status"]),
        (&json!("READY"), &json!("SUCCEEDED"))
    );

    app.start_execution("start", json!({})).await;
    let crawl = app.engine.take(&queue, Some("w"), support::DEADLINE).await.unwrap().unwrap();
    app.engine.fail(crawl.token.as_str(), Failure::new("STORAGE_ERROR", "no bucket")).await.unwrap();
    let look = app.start_execution("look", json!({})).await;
    let shown = output(app.ended(&look).await.output);
    assert_eq!(
        (&shown["Crawler"]["LastCrawl"]["Status"], &shown["Crawler"]["LastCrawl"]["ErrorMessage"]),
        (&json!("FAILED"), &json!("STORAGE_ERROR: no bucket"))
    );
}

#[tokio::test]
async fn what_is_not_performed_here_fails_with_a_remedy() {
    let app = app().await;
    for (resource, parameters) in [
        ("dynamodb:getItem", json!({})),
        ("aws-sdk:s3:listBuckets", json!({})),
        ("sqs:sendMessage", json!({ "QueueUrl": "q", "MessageBody": "m" })),
    ] {
        let name = resource.replace(':', "-");
        let arn = app.run_machine(&name, task(resource, parameters), json!({})).await;
        let record = app.ended(&arn).await;
        assert_eq!(record.error.as_deref(), Some("Stepwell.UnsupportedIntegration"), "{resource}");
        assert!(record.cause.unwrap().contains(&format!("`arn:aws:states:::{resource}`")), "{resource}");
    }
}
