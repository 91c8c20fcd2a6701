//! A recorded case: what was sent to the real service, and what it answered.

use std::collections::BTreeMap;
use std::path::Path;

use asl::definition::Pattern;
use asl::execution::{Resource, ScheduleTask};
use asl::{Failure, Status};
use serde_json::{Value, json};

use super::answer::Answer;
use super::compare::{Comparison, Normaliser};
use super::world::{Responder, World, identity};

/// How far a case agrees with its recording.
#[derive(Debug, Default)]
pub struct Agreement {
    /// Final status, output, error, cause.
    pub outcome: Option<String>,
    /// Sequence of event types.
    pub types: Option<String>,
    /// Every event in full.
    pub events: Option<String>,
}

pub struct Case {
    pub name: String,
    json: Value,
}

impl Case {
    pub fn load(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let area = path.parent().and_then(Path::file_name).map(|area| area.to_string_lossy().into_owned());
        let file = path.file_stem().map(|file| file.to_string_lossy().into_owned());
        Self { name: format!("{}/{}", area.unwrap_or_default(), file.unwrap_or_default()), json }
    }

    /// Whether the interpreter alone can run it: an execution, with nothing to be read from S3.
    pub fn is_runnable(&self) -> bool {
        self.json["kind"] == "execution" && self.json.get("requires").is_none() && self.json["call"].is_null()
    }

    pub fn uses_jsonata(&self) -> bool {
        self.json.to_string().contains("\"JSONata\"")
    }

    /// Runs it, or each of its runs, and compares.
    pub fn run(&self) -> Agreement {
        match self.json["runs"].as_array() {
            None => self.run_one(&self.json),
            Some(runs) => Agreement {
                outcome: runs.iter().enumerate().find_map(|(index, run)| {
                    let difference = self.run_one(run).outcome?;
                    Some(format!("run {index} (input {}): {difference}", run["input"]))
                }),
                ..Agreement::default()
            },
        }
    }

    fn run_one(&self, run: &Value) -> Agreement {
        let mut world = World::new(&run["definition"], self.responder());
        let machine = self.json["state_machine_name"].as_str().unwrap_or("machine");
        world.identity = identity(machine, self.json["role_arn"].as_str().unwrap_or("role"));
        let activities = self.json["activities"].as_array().cloned().unwrap_or_default();
        world.activities = Some(
            activities
                .iter()
                .filter_map(Value::as_str)
                .map(|name| format!("arn:aws:states:us-east-1:111111111111:activity:{name}"))
                .collect(),
        );
        let input = run["input"].as_str().unwrap_or("{}");
        world.start(serde_json::from_str(input).expect("the input of a case is JSON"));
        world.run();
        self.compare(&world, &run["expected"])
    }

    fn compare(&self, world: &World, expected: &Value) -> Agreement {
        let normaliser = Normaliser::new(&self.json["normalise"]);
        let outcome = outcome_difference(&normaliser, world, expected);
        let (Some(events), None) = (expected["events"].as_array(), self.json.get("mock_limits")) else {
            return Agreement { outcome, ..Agreement::default() };
        };
        let history = world.history();
        let type_of = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
        let types = (!events.iter().map(type_of).eq(history.iter().map(type_of))).then(|| {
            let index = events.iter().zip(&history).take_while(|(e, a)| e["type"] == a["type"]).count();
            let at = |list: &[Value]| list.get(index).map_or("end".to_owned(), type_of);
            format!("event {}: expected {}, got {}", index + 1, at(events), at(&history))
        });
        let ignore: Vec<&str> =
            self.json["ignore"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut comparison = Comparison::new(&normaliser, true);
        let difference = events.iter().zip(&history).find_map(|(e, a)| {
            let (id, kind) = (&e["id"], type_of(e));
            for key in ["id", "previousEventId"] {
                if e[key].is_u64() && e[key] != a[key] {
                    return Some(format!("event {id} ({kind}): expected {key} {}, got {}", e[key], a[key]));
                }
            }
            comparison.difference(&strip(e, &ignore), &strip(a, &ignore), &format!("events[{id}]({kind})"))
        });
        let difference = difference.or_else(|| {
            (events.len() != history.len()).then(|| format!("expected {} events, got {}", events.len(), history.len()))
        });
        Agreement { outcome, types, events: difference }
    }

    fn responder(&self) -> Responder {
        let mock = self.json["mock"].clone();
        let workers = self.json["workers"].clone();
        let machine = self.json["state_machine_name"].as_str().unwrap_or_default().to_owned();
        let mut invocations: BTreeMap<String, u64> = BTreeMap::new();
        Box::new(move |task| {
            if let Resource::Activity(arn) = &task.resource {
                return worker_answer(&workers, arn, task);
            }
            let response = &mock["StateMachines"][&machine]["TestCases"]["Recorded"][&*task.state];
            let invocation = invocations.entry(task.state.to_string()).or_default();
            let answer = response
                .as_str()
                .and_then(|response| numbered(&mock["MockedResponses"][response], *invocation))
                .unwrap_or_else(|| panic!("no mocked response for invocation {invocation} of `{}`", task.state));
            *invocation += 1;
            mocked_answer(task, answer)
        })
    }
}

/// The entry for an invocation: keys are `0` or `1-2`.
fn numbered(responses: &Value, invocation: u64) -> Option<&Value> {
    responses.as_object()?.iter().find_map(|(key, answer)| {
        let (first, last) = key.split_once('-').unwrap_or((key, key));
        let range = first.parse().ok()?..=last.parse::<u64>().ok()?;
        range.contains(&invocation).then_some(answer)
    })
}

fn mocked_answer(task: &ScheduleTask, answer: &Value) -> Answer {
    let started = match &task.resource {
        Resource::Service { pattern, .. } if *pattern != Pattern::RequestResponse => Answer::started().submitted(),
        _ => Answer::started(),
    };
    let Some(thrown) = answer.get("Throw") else { return started.succeeds(answer["Return"].clone()) };
    let text = |key: &str| thrown[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let failure = Failure { error: text("Error"), cause: text("Cause") };
    // A mock cannot leave the error out; the name without a cause stands for that.
    let nameless = failure.error.as_deref() == Some("States.TaskFailed") && failure.cause.is_none();
    started.fails(if nameless { Failure::default() } else { failure })
}

fn worker_answer(workers: &Value, arn: &str, task: &ScheduleTask) -> Answer {
    let is_for = |worker: &&Value| worker["activity"].as_str().is_some_and(|name| arn.ends_with(&format!(":{name}")));
    let Some(worker) = workers.as_array().into_iter().flatten().find(is_for) else { return Answer::nothing() };
    let script = worker["script"].as_array().into_iter().flatten().filter_map(Value::as_str);
    script.fold(Answer::started_by(worker["worker_name"].as_str()), |answer, step| match step.split_once(' ') {
        Some(("sleep", seconds)) => answer.after(seconds.parse().expect("a number of seconds")),
        _ => match step {
            "echo" => answer.succeeds(Value::clone(&task.input)),
            "fail" => answer.fails(Failure::new("Programmatic Error", task.input.to_string())),
            "heartbeat" => answer.beats(),
            "hang" => answer,
            other => panic!("no worker can do `{other}`"),
        },
    })
}

fn outcome_difference(normaliser: &Normaliser, world: &World, expected: &Value) -> Option<String> {
    let (status, output, failure) = match world.status() {
        Some(Status::Running) | None => ("RUNNING", None, None),
        Some(Status::Succeeded { output }) => ("SUCCEEDED", Some(output.to_string()), None),
        Some(Status::Failed(failure)) => ("FAILED", None, Some(failure)),
        Some(Status::TimedOut(failure)) => ("TIMED_OUT", None, Some(failure)),
        Some(Status::Aborted(failure)) => ("ABORTED", None, Some(failure)),
    };
    if expected["status"] != status {
        return Some(format!("status: expected {}, got {status} ({failure:?})", expected["status"]));
    }
    let mut comparison = Comparison::new(normaliser, false);
    let actual = [
        ("output", output),
        ("error", failure.and_then(|failure| failure.error.clone())),
        ("cause", failure.and_then(|failure| failure.cause.clone())),
    ];
    actual.into_iter().find_map(|(key, actual)| match (expected.get(key), actual) {
        (None, None) => None,
        (None, Some(_)) if key == "output" => None,
        (Some(expected), Some(actual)) => comparison.difference(expected, &json!(actual), key),
        (expected, actual) => Some(format!("{key}: expected {expected:?}, got {actual:?}")),
    })
}

/// The event without what is compared apart and what the case ignores (`details.member`).
fn strip(event: &Value, ignore: &[&str]) -> Value {
    let mut event = event.clone();
    if let Some(event) = event.as_object_mut() {
        event.retain(|key, _| !matches!(key.as_str(), "id" | "previousEventId" | "timestamp"));
        for path in ignore {
            let (member, field) = path.split_once('.').unwrap_or((path, ""));
            if let Some(details) = event.get_mut(member).and_then(Value::as_object_mut) {
                details.remove(field);
            }
        }
    }
    event
}
