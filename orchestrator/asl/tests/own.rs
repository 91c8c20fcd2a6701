//! Cases of our own, for what no recording shows: times, cancellations, limits, failures side by side.
//!
//! A file of `cases/own/` says what arrives and what is expected: the outcome, the public history in outline
//! (`id type<-previous name +seconds`), and every command. `UPDATE_EXPECT=1` rewrites the expectations; read the diff like
//! code. As with recordings, every step is also taken from a full replay.

// Expectations are read from files and written to them on demand.
#![allow(clippy::disallowed_methods, reason = "tests read the files of their cases")]

mod support;

use std::path::{Path, PathBuf};

use asl::execution::ScheduleTask;
use asl::{Command, Failure, Status, Stimulus};
use serde_json::{Value, json};

use support::answer::Answer;
use support::world::{START, World};

fn run(case: &Value) -> Value {
    let answers = case["answers"].clone();
    let mut taken = std::collections::BTreeMap::<String, usize>::new();
    let responder = move |task: &ScheduleTask| {
        let nth = taken.entry(task.state.to_string()).or_default();
        let scripts = answers[&*task.state].as_array().map(Vec::as_slice).unwrap_or_default();
        let script = scripts.get(*nth).or(scripts.last());
        *nth += 1;
        script.map_or_else(Answer::nothing, answer)
    };
    let mut world = World::new(&case["definition"], Box::new(responder));
    set_limits(&mut world, &case["limits"]);
    world.start(case["input"].clone());
    let stop_at = case["stop"]["after_seconds"].as_i64().map(|seconds| START.plus_seconds(seconds));
    if let Some(stop_at) = stop_at {
        while world.next_at().is_some_and(|at| at < stop_at) {
            world.step();
        }
        world.now = stop_at;
        world.stimulate(&Stimulus::Stop { failure: failure(&case["stop"]) });
    }
    world.run();
    let mut expected = outcome(&world);
    expected["history"] = world.journal.iter().filter_map(outline).collect();
    expected["commands"] = world.commands.iter().map(command).collect();
    expected
}

fn set_limits(world: &mut World, limits: &Value) {
    let limit = |name: &str| limits[name].as_u64();
    if let Some(bytes) = limit("payload_bytes_max") {
        world.limits.payload_bytes_max = bytes as usize;
    }
    if let Some(events) = limit("history_events_max") {
        world.limits.history_events_max = events;
    }
    if let Some(events) = limit("turn_events_max") {
        world.limits.turn_events_max = events;
    }
    if let Some(iterations) = limit("map_concurrency_max") {
        world.limits.map_concurrency_max = iterations;
    }
}

/// A script is a list of `start`, `start NAME`, `submit`, `beat`, `sleep SECONDS`, `{"succeed": VALUE}` and
/// `{"fail": {"error", "cause"}}`.
fn answer(script: &Value) -> Answer {
    let steps = script.as_array().expect("a script is a list");
    steps.iter().fold(Answer::nothing(), |answer, step| match step {
        Value::String(step) => match step.split_once(' ') {
            Some(("start", worker)) => answer.and_started_by(worker),
            Some(("sleep", seconds)) => answer.after(seconds.parse().expect("a number of seconds")),
            _ => match step.as_str() {
                "start" => answer.and_started(),
                "submit" => answer.submitted(),
                "beat" => answer.beats(),
                other => panic!("nobody can do `{other}`"),
            },
        },
        step => match (step.get("succeed"), step.get("fail")) {
            (Some(output), _) => answer.succeeds(output.clone()),
            (None, Some(why)) => answer.fails(failure(why)),
            (None, None) => panic!("nobody can do {step}"),
        },
    })
}

fn failure(value: &Value) -> Failure {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Failure { error: text("error"), cause: text("cause") }
}

fn outcome(world: &World) -> Value {
    let failed = |status: &str, failure: &Failure| {
        let mut outcome = json!({"status": status});
        for (key, text) in [("error", &failure.error), ("cause", &failure.cause)] {
            if let Some(text) = text {
                outcome[key] = json!(text);
            }
        }
        outcome
    };
    match world.status().expect("the execution was started") {
        Status::Running => json!({"status": "RUNNING"}),
        Status::Succeeded { output } => json!({"status": "SUCCEEDED", "output": &**output}),
        Status::Failed(failure) => failed("FAILED", failure),
        Status::TimedOut(failure) => failed("TIMED_OUT", failure),
        Status::Aborted(failure) => failed("ABORTED", failure),
    }
}

fn outline(event: &asl::Event) -> Option<String> {
    let shown = asl::history::project(event, true)?;
    let details = shown.as_object()?.iter().find(|(key, _)| key.ends_with("EventDetails")).map(|(_, details)| details);
    let detail = |key: &str| details.and_then(|details| details.get(key));
    let name = detail("name").and_then(Value::as_str).map(|name| format!(" {name}")).unwrap_or_default();
    let index = detail("index").map(|index| format!("[{index}]")).unwrap_or_default();
    let (id, kind, previous) = (&shown["id"], shown["type"].as_str()?, &shown["previousEventId"]);
    Some(format!("{id} {kind}<-{previous}{name}{index} +{}", seconds(event.at)))
}

fn command(command: &Command) -> String {
    match command {
        Command::ScheduleTask(task) => {
            format!("schedule task {} of {}, attempt {}, input {}", task.task.0, task.state, task.attempt, task.input)
        }
        Command::CancelTask { task } => format!("cancel task {}", task.0),
        Command::SetTimer { timer, due_at } => {
            format!("set {} {} +{}", timer.kind.as_str(), timer.event, seconds(*due_at))
        }
        Command::CancelTimer { timer } => format!("cancel {} {}", timer.kind.as_str(), timer.event),
        Command::Continue => "continue".to_owned(),
    }
}

fn seconds(at: asl::Timestamp) -> f64 {
    (at.millis() - START.millis()) as f64 / 1000.0
}

#[test]
fn own_cases_end_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/own");
    let entries = std::fs::read_dir(&folder).expect("the folder of cases is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a case can be listed").path()).collect();
    paths.sort();
    assert!(paths.len() >= 25, "only {} cases were found", paths.len());
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differences = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a case can be read");
        let mut case: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let actual = run(&case);
        if update {
            case["expected"] = actual;
            let text = serde_json::to_string_pretty(&case).expect("a case can be written");
            std::fs::write(&path, text + "\n").expect("a case can be written");
        } else if case["expected"] != actual {
            let actual = serde_json::to_string_pretty(&actual).expect("an outcome can be written");
            differences.push(format!("{}: got {actual}", path.display()));
        }
    }
    assert!(differences.is_empty(), "{} cases differ:\n{}", differences.len(), differences.join("\n"));
}
