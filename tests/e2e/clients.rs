//! The public AWS clients against a real server: boto3 and the AWS SDK for Rust.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEventType};
use aws_sdk_sfn::{Client, Config};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Site, WAIT_MAX, root};

const ROLE: &str = "arn:aws:iam::123456789012:role/any";

/// A server without machines of its own.
async fn empty() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let machines = folder.path().join("state-machines");
    std::fs::create_dir(&machines).unwrap();
    Site::on(folder, &machines).await
}

#[tokio::test]
async fn boto3_finds_what_the_reference_says() {
    let venv = Command::new(root().join("tests/support/venv.sh")).output().await.unwrap();
    assert!(venv.status.success(), "{}", String::from_utf8_lossy(&venv.stderr));
    let python = PathBuf::from(String::from_utf8(venv.stdout).unwrap().trim()).join("python");
    let site = empty().await;
    let client = Command::new(python)
        .arg(root().join("tests/support/boto3_client.py"))
        .arg(&site.url)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(WAIT_MAX, client).await.expect("the client ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches(": good").count(), 4, "{said}");
}

fn connect(url: &str) -> Client {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .http_client(
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        )
        .build();
    Client::from_conf(config)
}

/// The code and the message of a call that was refused.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(answer: Result<T, E>) -> (String, String) {
    let error = answer.expect_err("the call is refused");
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

async fn ended(sfn: &Client, arn: &str) -> aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let execution = sfn.describe_execution().execution_arn(arn).send().await.unwrap();
        if execution.status() != &ExecutionStatus::Running {
            return execution;
        }
        assert!(Instant::now() < deadline, "{arn} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_rust_sdk_runs_machines_and_reads_them_back() {
    let site = empty().await;
    let sfn = connect(&site.url);
    let definition = json!({ "StartAt": "Mark", "States": {
        "Mark": { "Type": "Pass", "Result": true, "ResultPath": "$.marked", "Next": "Which" },
        "Which": { "Type": "Choice", "Choices": [{ "Variable": "$.hold", "IsPresent": true, "Next": "Hold" }], "Default": "Done" },
        "Hold": { "Type": "Wait", "Seconds": 3600, "Next": "Done" },
        "Done": { "Type": "Succeed" },
    } });
    let create = |name: &str, definition: &Value| {
        sfn.create_state_machine().name(name).definition(definition.to_string()).role_arn(ROLE).send()
    };
    let machine = create("marking", &definition).await.unwrap().state_machine_arn;
    let broken = json!({ "StartAt": "Nowhere", "States": { "Done": { "Type": "Succeed" } } });
    let (code, message) = refusal(create("broken", &broken).await);
    assert!(code == "InvalidDefinition" && message.contains("Nowhere"), "{code}: {message}");

    let start =
        |name: &str, input: &str| sfn.start_execution().state_machine_arn(&machine).name(name).input(input).send();
    let arn = start("first", r#"{"a":1}"#).await.unwrap().execution_arn;
    let execution = ended(&sfn, &arn).await;
    assert_eq!(execution.status(), &ExecutionStatus::Succeeded);
    let output: Value = serde_json::from_str(execution.output().unwrap()).unwrap();
    assert_eq!(output, json!({ "a": 1, "marked": true }));

    let mut pages = sfn.get_execution_history().execution_arn(&arn).max_results(3).into_paginator().send();
    let (mut events, mut page_count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        events.extend(page.unwrap().events);
        page_count += 1;
    }
    let reversed = sfn.get_execution_history().execution_arn(&arn).reverse_order(true).send().await.unwrap().events;
    assert!(page_count >= 3 && reversed.into_iter().rev().collect::<Vec<_>>() == events, "{events:#?}");
    assert_eq!(events.last().unwrap().r#type(), &HistoryEventType::ExecutionSucceeded);

    let held = start("held", r#"{"hold":true}"#).await.unwrap();
    assert_eq!(start("held", r#"{"hold":true}"#).await.unwrap().execution_arn, held.execution_arn, "the same start");
    assert_eq!(refusal(start("held", "{}").await).0, "ExecutionAlreadyExists");
    sfn.stop_execution().execution_arn(&held.execution_arn).error("Enough").cause("by hand").send().await.unwrap();
    let stopped = ended(&sfn, &held.execution_arn).await;
    assert_eq!((stopped.status(), stopped.error()), (&ExecutionStatus::Aborted, Some("Enough")));

    let mut pages = sfn.list_executions().state_machine_arn(&machine).max_results(1).into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        names.extend(page.unwrap().executions.into_iter().map(|execution| execution.name));
    }
    assert_eq!(names, ["held", "first"], "newest first, a page each");

    let changed = json!({ "Comment": "second", "StartAt": "Done", "States": { "Done": { "Type": "Succeed" } } });
    let update = sfn.update_state_machine().state_machine_arn(&machine).definition(changed.to_string()).send().await;
    let revision = update.unwrap().revision_id;
    let described = sfn.describe_state_machine().state_machine_arn(&machine).send().await.unwrap();
    assert!(revision.is_some() && described.revision_id == revision, "{described:?}");

    let nothing = format!("{arn}-not");
    let (code, message) = refusal(sfn.describe_execution().execution_arn(&nothing).send().await);
    assert_eq!((code, message), ("ExecutionDoesNotExist".into(), format!("Execution Does Not Exist: '{nothing}'")));
    assert_eq!(refusal(sfn.describe_execution().execution_arn("nothing").send().await).0, "InvalidArn");
}

#[tokio::test]
async fn the_rust_sdk_works_on_activities() {
    let site = empty().await;
    let sfn = connect(&site.url);
    let activity = sfn.create_activity().name("double").send().await.unwrap().activity_arn;
    let definition = json!({ "StartAt": "Double", "States": {
        "Double": { "Type": "Task", "Resource": activity, "InputPath": "$.n", "HeartbeatSeconds": 60, "End": true },
    } });
    let machine = sfn.create_state_machine().name("doubling").definition(definition.to_string()).role_arn(ROLE);
    let machine = machine.send().await.unwrap().state_machine_arn;
    let worker = tokio::spawn({
        let (sfn, activity) = (sfn.clone(), activity.clone());
        async move {
            let mut tokens = Vec::new();
            for _ in 0..2 {
                let task = sfn.get_activity_task().activity_arn(&activity).worker_name("rust").send().await.unwrap();
                let token = task.task_token.unwrap();
                sfn.send_task_heartbeat().task_token(&token).send().await.unwrap();
                match task.input.unwrap().parse::<i64>() {
                    Ok(n) => {
                        let output = (2 * n).to_string();
                        sfn.send_task_success().task_token(&token).output(output).send().await.map(drop).unwrap();
                    }
                    Err(_) => {
                        sfn.send_task_failure().task_token(&token).error("NoNumber").send().await.map(drop).unwrap();
                    }
                }
                tokens.push(token);
            }
            tokens
        }
    });
    let start = |input: Value| sfn.start_execution().state_machine_arn(&machine).input(input.to_string()).send();
    let good = ended(&sfn, &start(json!({ "n": 21 })).await.unwrap().execution_arn).await;
    assert_eq!((good.status(), good.output()), (&ExecutionStatus::Succeeded, Some("42")));
    let bad = ended(&sfn, &start(json!({ "n": "x" })).await.unwrap().execution_arn).await;
    assert_eq!((bad.status(), bad.error()), (&ExecutionStatus::Failed, Some("NoNumber")));
    for token in worker.await.unwrap() {
        assert_eq!(refusal(sfn.send_task_heartbeat().task_token(token).send().await).0, "TaskTimedOut");
    }
    let made_up = sfn.send_task_success().task_token("made up").output("{}").send().await;
    assert_eq!(refusal(made_up).0, "InvalidToken");
    assert_eq!(sfn.describe_activity().activity_arn(&activity).send().await.unwrap().name, "double");
    sfn.delete_activity().activity_arn(&activity).send().await.unwrap();
    let gone = sfn.describe_activity().activity_arn(&activity).send().await;
    assert_eq!(refusal(gone).0, "ActivityDoesNotExist");
}
