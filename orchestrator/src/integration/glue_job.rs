//! `glue:startJobRun` and `.sync` on AWS Glue. Source: asl.md 4.3.
//!
//! Glue has no idempotency key, so a run must never be started twice by mistake: before it is started the task's row says
//! that it is about to be, and the run carries an argument that names the task. Whoever finds such a row after a crash, or
//! got no answer, looks for a run with that argument first. The run's id is written down before it is waited for; a task
//! that is given up leaves a message that stops the run, delivered by the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use asl::Failure;
use asl::definition::Pattern;
use aws::{GlueJobs, JobRun, StartJobRun};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::call::{Call, Outcome};
use super::glue_run;
use crate::alert;
use crate::engine::{Engine, ON_GIVE_UP, ReportError};
use crate::store::TaskRecord;

/// The argument by which a run is found again. Scripts ask for the arguments they know and do not see it.
pub(super) const MARKER: &str = "--stepwell_task";
/// Attempts to start a run while Glue throttles or cannot be reached; then the state's Retry decides.
const STARTS_MAX: u32 = 6;
/// Pages of runs that are looked through, newest first: 1,000 runs of one job.
const PAGES_MAX: usize = 5;

/// The pauses between calls: they grow from the first to the longest.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first pause.
    pub first: Duration,
    /// The longest pause. Glue bills by the minute and answers some hundred calls a second for a whole account.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(20) }
    }
}

impl Pace {
    fn pauses(self) -> impl Iterator<Item = Duration> {
        std::iter::successors(Some(self.first), move |pause| Some((*pause * 3 / 2).min(self.longest)))
    }
}

pub(super) async fn start_job_run(call: &mut Call, pattern: Pattern) -> Outcome {
    let Some(glue) = call.services().glue.clone() else {
        return Outcome::Failed(Failure::new(
            "Glue.SdkClientException",
            "The job is bound to AWS Glue, and this node has no client for it: start every node with the same settings.",
        ));
    };
    let start = match request(&call.input()) {
        Ok(start) => start,
        Err(failure) => return Outcome::Failed(failure),
    };
    let known = call.task().submission.as_ref().and_then(|submission| submission["JobRunId"].as_str());
    let run = match known.map(str::to_owned) {
        Some(run) => run,
        None => match started(call, &*glue, start.clone(), pattern).await {
            Ok(run) => run,
            Err(outcome) => return outcome,
        },
    };
    if pattern == Pattern::RequestResponse {
        return Outcome::Done(submitted(&start.job_name, &run));
    }
    call.give_up_slot();
    ended(call, &*glue, &start.job_name, &run).await
}

/// Starts the run, or finds the one that was started before a crash; it is written down when this returns.
async fn started(
    call: &Call,
    glue: &dyn GlueJobs,
    mut start: StartJobRun,
    pattern: Pattern,
) -> Result<String, Outcome> {
    let (engine, task) = (call.engine(), call.task());
    let marker = Uuid::new_v5(&task.execution, &task.task.0.to_be_bytes()).to_string();
    start.arguments.insert(MARKER.to_owned(), marker.clone());
    // Somebody before may have started it.
    let mut doubtful = task.submission.is_some();
    if !doubtful {
        let row = row(engine, call).await?;
        engine.submitting(&row, submission(&start.job_name, &marker, None, pattern)).await?;
    }
    let mut pauses = call.services().glue_pace.pauses();
    let mut attempt = 0;
    let run = loop {
        attempt += 1;
        // A task that is over by now must not start anything.
        row(engine, call).await?;
        let answer = if doubtful {
            find(glue, &start.job_name, &marker).await
        } else {
            glue.start_job_run(&start).await.map(Some)
        };
        match answer {
            Ok(Some(run)) => break run,
            Ok(None) => {
                doubtful = false;
                continue;
            }
            Err(error) if attempt < STARTS_MAX && error.is_transient() => {
                tracing::warn!(
                    state.name = task.state,
                    error = &error as &dyn std::error::Error,
                    "A run of `{}` was not started yet; it is tried again",
                    start.job_name
                );
                // A refusal started nothing; without an answer nobody knows.
                doubtful |= !is_throttling(&error);
            }
            Err(error) => return Err(Outcome::Failed(glue_run::failure(&error, "AWSGlue", &marker))),
        }
        tokio::time::sleep(pauses.next().unwrap_or_default()).await;
    };
    let row = row(engine, call).await?;
    let written = submission(&start.job_name, &marker, Some(&run), pattern);
    engine.submitted(&row, submitted(&start.job_name, &run), written).await?;
    Ok(run)
}

/// The task's row; [`Outcome::Awaited`] if the task is over, which the caller is about to be told.
async fn row(engine: &Engine, call: &Call) -> Result<TaskRecord, Outcome> {
    engine.task_of(call.task().token.as_str()).await.map_err(|error| match error {
        ReportError::TaskTimedOut | ReportError::InvalidToken => Outcome::Awaited,
        fault @ ReportError::Fault(_) => fault.into(),
    })
}

fn is_throttling(error: &aws::Error) -> bool {
    matches!(error, aws::Error::Refused { code, .. } if code.contains("Throttl"))
}

/// What the history shows as submitted, and `startJobRun` without `.sync` returns.
fn submitted(job: &str, run: &str) -> Value {
    json!({ "JobName": job, "JobRunId": run })
}

/// What the task's row keeps. Only who waits for a run stops it.
fn submission(job: &str, marker: &str, run: Option<&str>, pattern: Pattern) -> Value {
    let mut submission = json!({ "JobName": job, "Marker": marker });
    if let Some(run) = run {
        submission["JobRunId"] = json!(run);
    }
    if pattern != Pattern::RequestResponse {
        submission[ON_GIVE_UP] = json!({ "channel": alert::GLUE, "payload": submission });
    }
    submission
}

/// Waits until the run has ended.
async fn ended(call: &Call, glue: &dyn GlueJobs, job: &str, run: &str) -> Outcome {
    let mut warned = false;
    for pause in call.services().glue_pace.pauses() {
        match glue.job_run(job, run).await {
            Ok(seen) => match seen.job_run_state.as_str() {
                "SUCCEEDED" => return Outcome::Done(glue_run::described(&seen)),
                state if glue_run::has_ended(state) => {
                    let cause = glue_run::described(&seen).to_string();
                    return Outcome::Failed(Failure::new("States.TaskFailed", cause));
                }
                _ => warned = false,
            },
            // The run goes on meanwhile, and credentials are renewed: the state's timeout decides how long that may take.
            Err(error) if error.is_transient() || is_about_access(&error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(
                        state.name = call.task().state,
                        error = &error as &dyn std::error::Error,
                        "Run `{run}` of `{job}` cannot be looked at; it is tried again"
                    );
                }
            }
            Err(error) => return Outcome::Failed(glue_run::failure(&error, "AWSGlue", run)),
        }
        tokio::time::sleep(pause).await;
    }
    // Pauses never end.
    Outcome::Awaited
}

fn is_about_access(error: &aws::Error) -> bool {
    let about = ["AccessDenied", "ExpiredToken", "UnrecognizedClient", "InvalidSignature"];
    matches!(error, aws::Error::Refused { code, .. } if about.iter().any(|part| code.contains(part)))
}

/// The run that carries the marker.
async fn find(glue: &dyn GlueJobs, job: &str, marker: &str) -> Result<Option<String>, aws::Error> {
    let mut page = None;
    for _ in 0..PAGES_MAX {
        let (runs, next) = glue.job_runs(job, page).await?;
        let carries = |run: &JobRun| run.arguments.get(MARKER).is_some_and(|found| found == marker);
        if let Some(run) = runs.into_iter().find(carries) {
            return Ok(Some(run.id));
        }
        page = next;
        if page.is_none() {
            break;
        }
    }
    Ok(None)
}

/// Stops the run of a task that was given up: what became of that, or why it is to be tried again.
///
/// `payload` is the one of [`submission`]. `attempts` were made before: a run that was being started shows after seconds.
pub(crate) async fn stop_job_run(glue: &dyn GlueJobs, payload: &Value, attempts: u32) -> Result<String, String> {
    const LOOKS_MAX: u32 = 5;
    let text = |field: &str| payload[field].as_str().unwrap_or_default();
    let (job, marker) = (text("JobName"), text("Marker"));
    let run = match payload["JobRunId"].as_str() {
        Some(run) => Some(run.to_owned()),
        None => find(glue, job, marker).await.map_err(|error| error.to_string())?,
    };
    let Some(run) = run else {
        return if attempts < LOOKS_MAX {
            Err(format!("no run of `{job}` for the task is seen yet"))
        } else {
            Ok(format!("no run of `{job}` was started"))
        };
    };
    let Err(error) = glue.stop_job_run(job, &run).await else { return Ok(format!("run `{run}` is stopping")) };
    match glue.job_run(job, &run).await {
        Ok(seen) if glue_run::has_ended(&seen.job_run_state) => {
            Ok(format!("run `{run}` had ended as {}", seen.job_run_state))
        }
        _ => Err(error.to_string()),
    }
}

/// The request in the state's parameters.
fn request(input: &Value) -> Result<StartJobRun, Failure> {
    let invalid = |why: String| {
        let cause = format!(
            "{why} (Service: AWSGlue; Status Code: 400; Error Code: InvalidInputException; Request ID: null; Proxy: null)"
        );
        Failure::new("Glue.InvalidInputException", cause)
    };
    let text = |field: &str| input[field].as_str().map(str::to_owned);
    let number = |field: &str| input[field].as_i64().and_then(|number| i32::try_from(number).ok());
    let arguments = match &input["Arguments"] {
        Value::Null => Map::new(),
        Value::Object(arguments) => arguments.clone(),
        other => return Err(invalid(format!("Arguments must be an object of texts, not {other}"))),
    };
    let arguments = arguments.into_iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(_) | Value::Bool(_) => Ok((name, value.to_string())),
        other => Err(invalid(format!("the argument {name} must be a text, not {other}"))),
    });
    Ok(StartJobRun {
        job_name: text("JobName").ok_or_else(|| invalid("JobName must be given".to_owned()))?,
        previous_run_id: text("JobRunId"),
        arguments: arguments.collect::<Result<BTreeMap<_, _>, _>>()?,
        allocated_capacity: number("AllocatedCapacity"),
        max_capacity: input["MaxCapacity"].as_f64(),
        timeout_minutes: number("Timeout"),
        security_configuration: text("SecurityConfiguration"),
        notify_delay_after_minutes: input["NotificationProperty"]["NotifyDelayAfter"]
            .as_i64()
            .and_then(|minutes| i32::try_from(minutes).ok()),
        worker_type: text("WorkerType"),
        number_of_workers: number("NumberOfWorkers"),
        execution_class: text("ExecutionClass"),
        queuing: input["JobRunQueuingEnabled"].as_bool(),
        session_policy: text("ExecutionRoleSessionPolicy"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_the_service_takes_them() {
        let start = request(&json!({
            "JobName": "etl", "Arguments": { "--ds": "2024-12-06", "--n": 3, "--full": true },
            "WorkerType": "G.1X", "NumberOfWorkers": 4, "Timeout": 30, "MaxCapacity": 2.5,
            "NotificationProperty": { "NotifyDelayAfter": 5 },
        }))
        .unwrap();
        let arguments: Vec<(&str, &str)> =
            start.arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(arguments, [("--ds", "2024-12-06"), ("--full", "true"), ("--n", "3")]);
        assert_eq!(
            (start.number_of_workers, start.timeout_minutes, start.max_capacity),
            (Some(4), Some(30), Some(2.5))
        );
        assert_eq!(start.notify_delay_after_minutes, Some(5));
        for bad in [
            json!({}),
            json!({ "JobName": "x", "Arguments": [] }),
            json!({ "JobName": "x", "Arguments": { "--a": {} } }),
        ] {
            assert_eq!(request(&bad).unwrap_err().error.as_deref(), Some("Glue.InvalidInputException"), "{bad}");
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let pace = Pace { first: Duration::from_secs(1), longest: Duration::from_secs(3) };
        let seconds: Vec<f64> = pace.pauses().take(5).map(|pause| pause.as_secs_f64()).collect();
        assert_eq!(seconds, [1.0, 1.5, 2.25, 3.0, 3.0]);
    }

    #[test]
    fn only_who_waits_stops() {
        let waits = submission("etl", "m", Some("jr_1"), Pattern::Sync);
        assert_eq!(waits[ON_GIVE_UP]["payload"], json!({ "JobName": "etl", "Marker": "m", "JobRunId": "jr_1" }));
        assert!(submission("etl", "m", Some("jr_1"), Pattern::RequestResponse).get(ON_GIVE_UP).is_none());
    }
}
