//! A folder of pipelines is applied at start and on change.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod support;

use axum::http::StatusCode;
use orchestrator::pipeline::Folder;
use serde_json::{Value, json};

use support::{App, Options};

const ARN: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:sales";

fn machine(comment: &str) -> String {
    json!({ "Comment": comment, "StartAt": "A", "States": { "A": { "Type": "Succeed" } } }).to_string()
}

#[tokio::test]
async fn a_changed_file_is_a_new_revision_and_a_broken_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("sales.asl.json", &machine("one"));
    write("sales.toml", "description = 'Sales'");
    write("plain.asl.json", &machine("no sheet"));
    write("notes.txt", "ignored");
    let app = App::start(folder.path(), Options::default()).await;
    let mut applied = Folder::new(folder.path(), app.engine.clone(), app.registry.clone(), "dev");
    let revision = async || app.store().state_machine(ARN).await.unwrap().unwrap().revision.number;
    let problem = async || app.call("GET", "/api/v1/pipelines/sales", None).await.1["problem"].clone();

    assert_eq!(applied.apply().await.unwrap(), 2, "a fresh look at the same content");
    assert_eq!((revision().await, applied.apply().await.unwrap()), (1, 0));
    assert_eq!(app.registry.all().len(), 1, "a machine without a sheet is no pipeline");

    write("sales.asl.json", &machine("two"));
    assert_eq!((applied.apply().await.unwrap(), revision().await), (1, 2));

    for (file, text, said) in [
        ("sales.asl.json", r#"{ "StartAt": "Nowhere", "States": {} }"#, "no valid state machine"),
        ("sales.asl.json", "{", "no valid state machine"),
        ("sales.toml", "[partition]\ncadence = 'hourly'", "`partition.cadence` is `hourly`"),
    ] {
        write(file, text);
        assert_eq!((applied.apply().await.unwrap(), revision().await), (0, 2), "{text}");
        assert!(problem().await.as_str().is_some_and(|problem| problem.contains(said)), "{text}");
        write("sales.asl.json", &machine("two"));
        write("sales.toml", "description = 'Sales'");
        assert_eq!((applied.apply().await.unwrap(), problem().await), (1, Value::Null));
    }

    write("sales.asl.json", &machine("three"));
    std::fs::remove_file(folder.path().join("plain.asl.json")).unwrap();
    applied.apply().await.unwrap();
    assert_eq!(revision().await, 3);
    let plain = app.store().state_machine(&ARN.replace("sales", "plain")).await.unwrap();
    assert!(plain.is_some(), "what is gone from the folder is not deleted");
}

#[tokio::test]
async fn a_pipeline_that_never_worked_is_listed_with_its_problem() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.asl.json"), "{}").unwrap();
    let app = App::start(folder.path(), Options::default()).await;
    let (status, listed) = app.call("GET", "/api/v1/pipelines", None).await;
    assert_eq!((status, &listed["items"][0]["name"]), (StatusCode::OK, &json!("broken")));
    assert!(listed["items"][0]["problem"].as_str().unwrap().contains("StartAt"), "{listed}");
}

#[tokio::test]
async fn another_node_reads_pipelines_from_the_store() {
    let app = App::daily_prices(Options::default()).await;
    let registry = orchestrator::pipeline::Registry::default();
    registry.load(app.store().as_ref()).await.unwrap();
    assert!(registry.get("daily-prices").is_some_and(|pipeline| pipeline.sheet.monitored));
}
