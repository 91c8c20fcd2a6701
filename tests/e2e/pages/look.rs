//! Every page in every state that people meet, in both widths and both themes: nothing is cut off, covered, too faint to
//! read or without a name, and nothing needs scrolling sideways. What "nothing" is, `look.js` says.

use serde_json::{Value, json};

use super::browser::Browser;
use crate::support::{PIPELINE, Site};

const LOOK: &str = include_str!("look.js");

/// Desk and telephone, day and night.
const LOOKS: [(u32, &str); 4] = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")];

/// Looks at pages of a server in all four ways.
async fn look_at(browser: &mut Browser, url: &str, paths: &[&str]) {
    for (width, scheme) in LOOKS {
        browser.look(width, scheme).await;
        for path in paths {
            browser.go(&format!("{url}{path}")).await;
            assert_eq!(browser.value("innerWidth").await, json!(width), "{path} fits on the screen");
            let found = browser.value(LOOK).await;
            let found = found.as_object().unwrap_or_else(|| panic!("{path}: {found}"));
            assert_eq!(found.len(), 5, "all kinds were looked for: {found:?}");
            for (kind, list) in found {
                assert_eq!(list, &json!([]), "{path} at {width} pixels, {scheme}: {kind}");
            }
        }
    }
}

/// A machine whose names and texts are as long as they may be, beside one another, and an execution of it that failed.
async fn long_winded(site: &Site) -> String {
    let name = |text: &str| format!("{text:x<80}");
    let pass = |next: &str| json!({ "Type": "Pass", "Next": next });
    let branch = |n: usize| {
        let first = name(&format!("Branch {n} "));
        json!({ "StartAt": first, "States": { first: { "Type": "Pass", "End": true } } })
    };
    let cause = format!("{} {}", "Nobreak".repeat(40), "and words. ".repeat(40));
    let definition = json!({ "StartAt": name("First "), "States": {
        name("First "): pass("Fan"),
        "Fan": { "Type": "Parallel", "Next": "Choose", "Branches": (0..6).map(branch).collect::<Vec<_>>() },
        "Choose": { "Type": "Choice", "Default": "Give up", "Choices": [{ "Next": "Choose again", "And": [
            { "Variable": "$[0].a_rather_long_name.with_a_path", "IsPresent": true },
            { "Variable": "$[0].a_rather_long_name.with_a_path", "StringEquals": "a rather long constant" },
        ] }] },
        "Choose again": pass("Choose"),
        "Give up": { "Type": "Fail", "Error": name("Long.Error."), "Cause": cause },
    } });
    let machine = json!({
        "name": name("long-name-"), "definition": definition.to_string(), "roleArn": "arn:aws:iam::123456789012:role/r",
    });
    let machine = site.call("CreateStateMachine", &machine).await;
    let input = json!({ "nobreak": "z".repeat(3_000), "words": "lorem ipsum ".repeat(300) });
    execution(site, &machine, &name("long-execution-"), &input).await
}

/// A machine that waits: for a time, and for a worker that there is not.
async fn waiting(site: &Site) -> String {
    let activity = site.call("CreateActivity", &json!({ "name": format!("{:x<80}", "nobody-serves-") })).await;
    let task = json!({ "Type": "Task", "Resource": activity["activityArn"], "End": true });
    let definition = json!({ "StartAt": "Both", "States": { "Both": { "Type": "Parallel", "End": true, "Branches": [
        { "StartAt": "Wait a day", "States": { "Wait a day": { "Type": "Wait", "Seconds": 86_400, "End": true } } },
        { "StartAt": "Ask somebody", "States": { "Ask somebody": task } },
    ] } } });
    let machine = json!({ "name": "waiting", "definition": definition.to_string(), "roleArn": "arn:aws:iam::123456789012:role/r" });
    let machine = site.call("CreateStateMachine", &machine).await;
    execution(site, &machine, "for-long", &json!({})).await
}

async fn execution(site: &Site, machine: &Value, name: &str, input: &Value) -> String {
    let start = json!({ "stateMachineArn": machine["stateMachineArn"], "name": name, "input": input.to_string() });
    let started = site.call("StartExecution", &start).await;
    started["executionArn"].as_str().unwrap_or_else(|| panic!("{machine} {started}")).to_owned()
}

fn page_of(run: &Value) -> String {
    format!("/executions/{}", run["arn"].as_str().expect("an ARN"))
}

#[tokio::test]
async fn every_page_can_be_read_in_both_widths_and_themes() {
    let site = Site::with_worker().await;
    for (ds, bad) in [("2024-12-04", 0), ("2024-12-05", 0), ("2024-12-06", 2)] {
        site.deliver(ds, bad);
    }
    let good = page_of(&site.run(json!({ "ds": "2024-12-05" })).await);
    let failed = page_of(&site.run(json!({ "ds": "2024-12-06" })).await);
    let partly = page_of(
        &site.run(json!({ "date_range": { "start": "2024-12-04", "end": "2024-12-06" }, "reprocess": true })).await,
    );
    let skipped = page_of(&site.run(json!({ "ds": "2024-12-09" })).await);
    let long = long_winded(&site).await;
    site.ended(&long).await;
    let (long, waiting) = (format!("/executions/{long}"), format!("/executions/{}", waiting(&site).await));
    let pipeline = format!("/pipelines/{PIPELINE}");
    let of_pipeline =
        ["?row=2024-12-05", "?ds=2024-12-06&reprocess=true", "?tab=runs", "?tab=definition", "?tab=sheet"];
    let of_failed = ["?tab=logs", "?tab=input", "?tab=definition", "?at=20", "?of=Transform"];
    let mut paths: Vec<String> = [
        "/",
        "/pipelines",
        "/pipelines/star-schema",
        "/pipelines/ecommerce",
        "/executions",
        "/executions?status=FAILED,TIMED_OUT&hours=24",
        "/executions?q=nosuchthing",
        "/tables",
        "/alarms",
        "/workers",
        "/nowhere/at/all",
        "/executions/no-such-execution",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.extend(of_pipeline.map(|query| format!("{pipeline}{query}")));
    paths.extend(of_failed.map(|query| format!("{failed}{query}")));
    paths.extend([pipeline, good, failed, partly, skipped, long, waiting]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let mut browser = Browser::open().await;
    look_at(&mut browser, &site.url, &paths).await;
}

#[tokio::test]
async fn an_empty_server_can_be_read_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let none = tempfile::tempdir().unwrap();
    let site = Site::on(folder, none.path()).await;
    let pages = ["/", "/pipelines", "/executions", "/tables", "/alarms", "/workers"];
    let mut browser = Browser::open().await;
    look_at(&mut browser, &site.url, &pages).await;
    for path in pages {
        browser.go(&format!("{}{path}", site.url)).await;
        let words = browser.value("document.querySelector('main .empty')?.innerText ?? ''").await;
        assert!(words.as_str().is_some_and(|words| words.len() > 40), "{path} invites: {words}");
    }
}
