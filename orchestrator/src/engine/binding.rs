//! Where a task goes, and what a local stand-in's result looks like to the state machine.
//!
//! A Glue job or Lambda function named `X` runs on a local worker if `place` says so; the state machine cannot tell the
//! difference (asl.md 4.2, 4.3). Everything else that is not an activity is performed by the orchestrator's own
//! integrations.

use std::sync::Arc;
use std::time::Duration;

use asl::execution::{Failure, Resource, ScheduleTask};
use asl::{Stimulus, TaskId, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Inner;
use super::error::Error;
use super::place::{Place, place_of_glue, worker_queue};
use crate::store::{ExecutionId, INTEGRATION_QUEUE, TaskRecord};

/// Where a task goes.
pub(super) enum Route {
    /// Into this queue.
    Queue {
        /// An activity's ARN or the integrations' queue.
        queue: String,
        /// JSON text for whoever takes it.
        input: String,
        /// How long it is its taker's without a sign of life.
        lease: Option<Duration>,
    },
    /// Nowhere; AWS would say this.
    Refused(Failure),
}

/// Finds the queue of a task.
pub(super) async fn route(inner: &Inner, execution: ExecutionId, task: &ScheduleTask) -> Result<Route, Error> {
    let lease = Some(inner.config.lease);
    match &task.resource {
        // Whether it exists was looked at before it was scheduled.
        Resource::Activity(arn) => Ok(Route::Queue { queue: arn.clone(), input: task.input.to_string(), lease: None }),
        Resource::Lambda(arn) => {
            let name = lambda_name(arn);
            match worker_queue(inner, name).await? {
                Some(queue) => Ok(Route::Queue { queue, input: task.input.to_string(), lease }),
                None => Ok(Route::Refused(no_function(name))),
            }
        }
        Resource::Service { service, api, .. } if service == "lambda" && api == "invoke" => {
            let name = lambda_name(task.input["FunctionName"].as_str().unwrap_or_default());
            match worker_queue(inner, name).await? {
                Some(queue) => {
                    let payload = task.input.get("Payload").cloned().unwrap_or_else(|| json!({}));
                    Ok(Route::Queue { queue, input: payload.to_string(), lease })
                }
                None => Ok(Route::Refused(no_function(name))),
            }
        }
        Resource::Service { service, api, .. } if service == "glue" && api == "startJobRun" => {
            let name = task.input["JobName"].as_str().unwrap_or_default();
            match place_of_glue(inner, name).await? {
                Place::Worker(queue) => {
                    let arguments = task.input.get("Arguments").cloned().unwrap_or_else(|| json!({}));
                    let run = job_run_id(execution, task.task);
                    let input = json!({ "JobName": name, "JobRunId": run, "Arguments": arguments });
                    Ok(Route::Queue { queue, input: input.to_string(), lease })
                }
                Place::Glue => {
                    Ok(Route::Queue { queue: INTEGRATION_QUEUE.to_owned(), input: task.input.to_string(), lease })
                }
                Place::Nowhere => Ok(Route::Refused(failure(
                    "Glue.EntityNotFoundException",
                    format!(
                        "Failed to start job run due to missing metadata: no local worker serves a job named {name}, and AWS \
                         Glue is not configured. Start a worker that has it (`stepwell worker`), or bind it in [bindings]. \
                         (Service: AWSGlue; Status Code: 400; Error Code: EntityNotFoundException; Proxy: null)"
                    ),
                ))),
            }
        }
        Resource::Service { .. } => {
            Ok(Route::Queue { queue: INTEGRATION_QUEUE.to_owned(), input: task.input.to_string(), lease })
        }
    }
}

/// The function's name in a name, a partial ARN or an ARN, without version or alias.
pub fn lambda_name(function: &str) -> &str {
    let mut parts = function.split(':');
    match parts.by_ref().position(|part| part == "function") {
        Some(_) => parts.next().unwrap_or_default(),
        None => function.split(':').next().unwrap_or_default(),
    }
}

/// The id of the job run that a task stands for: the same on every node and after every crash.
pub fn job_run_id(execution: ExecutionId, task: TaskId) -> String {
    let mut hash = Sha256::new();
    hash.update(execution.as_bytes());
    hash.update(task.0.to_be_bytes());
    format!("jr_{}", hex::encode(hash.finalize()))
}

/// What starting a task on a worker submits at once: a `.sync` job's run.
pub(super) fn submitted_by_start(
    queue: &str,
    resource: &Resource,
    execution: ExecutionId,
    task: TaskId,
    input: &str,
) -> Option<Stimulus> {
    let Resource::Service { service, pattern: asl::definition::Pattern::Sync, .. } = resource else { return None };
    if queue == INTEGRATION_QUEUE || service != "glue" {
        return None;
    }
    let input: Value = serde_json::from_str(input).unwrap_or_default();
    let output = json!({ "JobName": input["JobName"], "JobRunId": job_run_id(execution, task) });
    Some(Stimulus::TaskSubmitted { task, output: Arc::new(output) })
}

/// The task's result as the state machine sees it, from what a worker reported.
pub(super) fn success(row: &TaskRecord, output: Value, now: Timestamp) -> Value {
    if row.queue == INTEGRATION_QUEUE {
        return output;
    }
    match &row.resource {
        Resource::Service { service, .. } if service == "lambda" => json!({
            "ExecutedVersion": "$LATEST",
            "Payload": output,
            "SdkHttpMetadata": { "HttpStatusCode": 200 },
            "SdkResponseMetadata": { "RequestId": request_id(row) },
            "StatusCode": 200,
        }),
        Resource::Service { service, .. } if service == "glue" => job_run(row, "SUCCEEDED", None, now),
        _ => output,
    }
}

/// The task's failure as the state machine sees it, from what a worker reported.
pub(super) fn worker_failure(row: &TaskRecord, reported: Failure, now: Timestamp) -> Failure {
    let glue = matches!(&row.resource, Resource::Service { service, .. } if service == "glue");
    if row.queue == INTEGRATION_QUEUE || !glue {
        return reported;
    }
    let code = reported.error.as_deref().unwrap_or("GLUE_JOB_FAILED");
    let message = error_message(reported.cause.as_deref());
    if code == "CONCURRENT_RUNS_EXCEEDED" {
        return failure(
            "Glue.ConcurrentRunsExceededException",
            format!(
                "{message} (Service: AWSGlue; Status Code: 400; Error Code: ConcurrentRunsExceededException; Request ID: {}; \
                 Proxy: null)",
                request_id(row)
            ),
        );
    }
    let message = if message.starts_with(code) { message } else { format!("{code}: {message}") };
    failure("States.TaskFailed", job_run(row, "FAILED", Some(&message), now).to_string())
}

/// What a person reads in a cause: the text itself, or `errorMessage` of the JSON that Lambda functions give.
fn error_message(cause: Option<&str>) -> String {
    let cause = cause.unwrap_or("the job said no more");
    serde_json::from_str::<Value>(cause)
        .ok()
        .and_then(|value| value.get("errorMessage").and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| cause.to_owned())
}

/// A `JobRun` object (asl.md 4.3). Times are epoch milliseconds, as optimised integrations give them.
fn job_run(row: &TaskRecord, state: &str, error: Option<&str>, now: Timestamp) -> Value {
    let input: Value = serde_json::from_str(&row.input).unwrap_or_default();
    let started = row.started_at.unwrap_or(row.scheduled_at);
    let mut run = json!({
        "AllocatedCapacity": 1,
        "Arguments": input["Arguments"],
        "Attempt": 0,
        "CompletedOn": now.millis(),
        "ExecutionTime": ((now.millis() - started.millis()).max(0) + 500) / 1000,
        "GlueVersion": "stepwell",
        "Id": job_run_id(row.execution, row.task),
        "JobName": input["JobName"],
        "JobRunState": state,
        "LastModifiedOn": now.millis(),
        "LogGroupName": "/aws-glue/jobs",
        "MaxCapacity": 1.0,
        "PredecessorRuns": [],
        "StartedOn": started.millis(),
        "Timeout": 2880,
    });
    if let Some(error) = error {
        run["ErrorMessage"] = json!(error);
    }
    run
}

fn request_id(row: &TaskRecord) -> String {
    uuid::Uuid::new_v5(&row.execution, &row.task.0.to_be_bytes()).to_string()
}

fn no_function(name: &str) -> Failure {
    failure(
        "Lambda.ResourceNotFoundException",
        format!(
            "Function not found: {name}. No local worker serves a function of this name, and AWS Lambda is not configured. \
             Start a worker that has it (`stepwell worker`), or bind it in [bindings]. (Service: AWSLambda; Status Code: 404; \
             Error Code: ResourceNotFoundException; Proxy: null)"
        ),
    )
}

fn failure(error: &str, cause: String) -> Failure {
    Failure { error: Some(error.to_owned()), cause: Some(cause) }
}

#[cfg(test)]
mod tests {
    use super::lambda_name;

    #[test]
    fn function_names_are_found_in_every_form() {
        for (function, name) in [
            ("preflight", "preflight"),
            ("preflight:3", "preflight"),
            ("123456789012:function:preflight", "preflight"),
            ("arn:aws:lambda:us-east-1:123456789012:function:preflight", "preflight"),
            ("arn:aws:lambda:us-east-1:123456789012:function:preflight:live", "preflight"),
        ] {
            assert_eq!(lambda_name(function), name, "{function}");
        }
    }
}
