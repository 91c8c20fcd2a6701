//! What a crash must not cost: servers and workers killed at work, on a real Postgres.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator::store::testing::{self, OwnServer};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::{Client, Process, serve, worker};

/// Leases of killed workers expire so soon.
const LEASE: [&str; 2] = ["--lease-seconds", "2"];
/// From the last crash to the end of everything.
const CALM_WITHIN: Duration = Duration::from_secs(60);
const ECHO: &str = "dev-test-function-echo";

fn call(function: &str, next: &str) -> Value {
    // A task whose worker was lost too often fails; the run of it must go on.
    let retry = json!([{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 20, "BackoffRate": 1 }]);
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retry": retry,
        "Parameters": { "FunctionName": function, "Payload.$": "$" }, "OutputPath": "$.Payload"
    });
    match next {
        "" => state["End"] = json!(true),
        next => state["Next"] = json!(next),
    }
    state
}

/// A chain with everything that waits in it: tasks, a timer, branches, iterations, a data job.
fn chain() -> Value {
    let branch = |name: &str| json!({ "StartAt": name, "States": { name: call(ECHO, "") } });
    let mut job = call(ECHO, "");
    job["Resource"] = json!("arn:aws:states:::glue:startJobRun.sync");
    job["Parameters"] = json!({ "JobName": "dev-test-echo", "Arguments": {} });
    job["OutputPath"] = json!("$");
    job["ResultPath"] = Value::Null;
    json!({ "StartAt": "First", "States": {
        "First": call(ECHO, "Pause"),
        "Pause": { "Type": "Wait", "Seconds": 1, "Next": "Both" },
        "Both": { "Type": "Parallel", "Branches": [branch("Left"), branch("Right")], "OutputPath": "$[0]", "Next": "Each" },
        "Each": { "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "ResultPath": "$.done",
            "ItemProcessor": branch("Item"), "Next": "Job" },
        "Job": job
    } })
}

/// Fails, is retried, is caught, ends as failed.
fn failing() -> Value {
    let mut call = call("dev-test-function-fail", "Never");
    call["Retry"][0]["MaxAttempts"] = json!(1);
    call["Catch"] = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }]);
    json!({ "StartAt": "Call", "States": {
        "Call": call,
        "Never": { "Type": "Succeed" },
        "Caught": { "Type": "Fail", "Error": "AsItMust", "Cause": "the function fails" }
    } })
}

/// Machines and the executions started of them.
struct Load {
    client: Client,
    machines: [String; 2],
    started: Vec<(String, usize, Value)>,
}

impl Load {
    async fn prepare(client: Client) -> Self {
        for served in [ECHO, "dev-test-function-fail", "dev-test-echo"] {
            client.served(served).await;
        }
        let machines = [client.machine("chain", &chain()).await, client.machine("failing", &failing()).await];
        Self { client, machines, started: Vec::new() }
    }

    /// Starts the next execution: three of four are chains.
    async fn start(&mut self) {
        let n = self.started.len();
        let kind = usize::from(n % 4 == 3);
        let input = json!({ "n": n, "items": [1, 2, 3] });
        let arn = self.client.start(&self.machines[kind], &format!("run-{n}"), &input).await;
        self.started.push((arn, kind, input));
    }

    /// Every execution ends as it must, with a history that holds together, and is there once.
    async fn check(&self, client: &Client) {
        for (arn, kind, input) in &self.started {
            let ended = client.ended(arn, CALM_WITHIN).await;
            let history = client.history(arn).await;
            if *kind == 0 {
                assert_eq!(ended["status"], "SUCCEEDED", "{ended}\n{history:#?}");
                let mut expected = input.clone();
                expected["done"] = json!([1, 2, 3]);
                let output: Value = serde_json::from_str(ended["output"].as_str().expect("an output")).expect("JSON");
                assert_eq!(output, expected, "{arn}");
            } else {
                assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("AsItMust")), "{ended}");
            }
            check_history(arn, &history);
        }
        for (kind, machine) in self.machines.iter().enumerate() {
            let input = json!({ "stateMachineArn": machine, "maxResults": 10 });
            let listed = client.pages("ListExecutions", input, "executions").await;
            let mut listed: Vec<&str> = listed.iter().filter_map(|item| item["executionArn"].as_str()).collect();
            let mut expected: Vec<&str> =
                self.started.iter().filter(|run| run.1 == kind).map(|run| run.0.as_str()).collect();
            listed.sort_unstable();
            expected.sort_unstable();
            assert_eq!(listed, expected, "each acknowledged start exists exactly once");
        }
    }
}

/// Complete, in order, and one outcome for every task.
#[track_caller]
pub fn check_history(arn: &str, history: &[Value]) {
    let id = |event: &Value, field: &str| event[field].as_u64().expect("a number");
    let mut outcomes: BTreeMap<u64, u32> = BTreeMap::new();
    for (event, number) in history.iter().zip(1..) {
        assert_eq!(id(event, "id"), number, "{arn}: ids count up: {event}");
        assert!(id(event, "previousEventId") < number, "{arn}: an event points back: {event}");
        let kind = event["type"].as_str().expect("a type");
        if kind == "TaskScheduled" {
            outcomes.insert(number, 0);
        }
        if ["TaskSucceeded", "TaskFailed", "TaskTimedOut"].contains(&kind) {
            let mut back = event;
            while back["type"] != "TaskScheduled" {
                let previous = usize::try_from(id(back, "previousEventId")).expect("small");
                back = &history[previous.checked_sub(1).expect("an outcome has a task before it")];
            }
            *outcomes.entry(id(back, "id")).or_default() += 1;
        }
    }
    assert!(outcomes.values().all(|count| *count == 1), "{arn}: one outcome per task: {outcomes:?}\n{history:#?}");
    let last = history.last().expect("a history")["type"].as_str().unwrap_or_default();
    assert!(last.starts_with("Execution"), "{arn}: the last event is the end, not {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_servers_and_workers_lose_nothing_and_do_nothing_twice() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    eprintln!("seed: SEED={seed}");
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let database = testing::postgres().await.expect("a database");
    let (mut server, address) = serve(&database.url, "127.0.0.1:0", &LEASE);
    let start_worker = |name: &str| worker(&address, name, &["--slots", "2"]);
    let mut workers: Vec<Process> = ["first", "second"].map(start_worker).into();
    let client = Client::new(&address);
    let mut load = Load::prepare(client.clone()).await;
    let starting = tokio::spawn(async move {
        for _ in 0..60 {
            load.start().await;
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        load
    });
    for _ in 0..8 {
        // The moment of a crash is the one thing here that is a time.
        tokio::time::sleep(Duration::from_millis(chance.random_range(300..1500))).await;
        match chance.random_range(0..4) {
            victim @ 0..2 => {
                workers[victim].kill();
                workers[victim] = start_worker(["first", "second"][victim]);
            }
            _ => {
                server.kill();
                (server, _) = serve(&database.url, &address, &LEASE);
            }
        }
    }
    let load = starting.await.expect("all are started");
    load.check(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_carries_on_where_the_first_was_killed() {
    let database = testing::postgres().await.expect("a database");
    let (mut first, first_address) = serve(&database.url, "127.0.0.1:0", &LEASE);
    let (_second, second_address) = serve(&database.url, "127.0.0.1:0", &LEASE);
    let _workers = [worker(&first_address, "first", &[]), worker(&second_address, "second", &[])];
    let second = Client::new(&second_address);
    let mut load = Load::prepare(Client::new(&first_address)).await;
    for _ in 0..12 {
        load.start().await;
    }
    first.kill();
    load.client = second.clone();
    for _ in 0..4 {
        load.start().await;
    }
    load.check(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_asked_to_stop_ends_in_time_and_goes_on_after_a_restart() {
    let database = testing::postgres().await.expect("a database");
    let (mut server, address) = serve(&database.url, "127.0.0.1:0", &LEASE);
    // Its polls are open when the server is asked to stop.
    let _worker = worker(&address, "only", &[]);
    let client = Client::new(&address);
    let mut load = Load::prepare(client.clone()).await;
    for _ in 0..12 {
        load.start().await;
    }
    let (status, took) = server.terminate(Duration::from_secs(12));
    assert!(status.success(), "{status} after {took:?}");
    let (_server, _) = serve(&database.url, &address, &LEASE);
    load.check(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_loses_nothing_and_servers_recover_by_themselves() {
    let mut chance = ChaCha8Rng::seed_from_u64(rand::random());
    let start_database = tokio::task::spawn_blocking(OwnServer::start);
    let mut database = start_database.await.expect("no panic").expect("a Postgres server of its own");
    let (_server, address) = serve(&database.url, "127.0.0.1:0", &LEASE);
    let _workers = ["first", "second"].map(|name| worker(&address, name, &["--slots", "2"]));
    let client = Client::new(&address);
    let mut load = Load::prepare(client.clone()).await;
    let starting = tokio::spawn(async move {
        for _ in 0..40 {
            load.start().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        load
    });
    for _ in 0..4 {
        // The moment of a crash, and how long the database is away, are the things here that are a time.
        let (pause, away) = (chance.random_range(300..1500), chance.random_range(0..1000));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        database = tokio::task::spawn_blocking(move || {
            database.kill().expect("it runs");
            std::thread::sleep(Duration::from_millis(away));
            database.restart().expect("it recovers");
            database
        })
        .await
        .expect("no panic");
    }
    let load = starting.await.expect("all are started");
    load.check(&client).await;
}
