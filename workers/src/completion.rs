//! Telling the service how a task ended, until it knows.

use tracing::{error, info, warn};

use crate::client::{Backoff, CallError};
use crate::logs::JobLog;
use crate::outcome::{Failure, Outcome, UNEXPECTED_ERROR};
use crate::report::{Delivery, TaskReport};
use crate::task::Task;

/// Hands over the remaining log lines, the report, and then the outcome.
///
/// A service that is away is asked again until it is back: the work is done, and only its news is missing. It ends early
/// when the task is gone, or when the worker may not wait any longer; then the lease expires, and the job, which is
/// idempotent, runs again elsewhere.
///
/// Log and report come before the outcome: a service that is back just after they failed is told them again first. Only
/// one that answers a heartbeat and still does not take them gets the outcome without them.
pub(crate) async fn complete(task: &Task<'_>, outcome: Outcome, log: &JobLog, mut report: Option<TaskReport>) {
    let mut outcome = outcome;
    let mut backoff = Backoff::new();
    let mut warned = false;
    let mut is_there = false;
    loop {
        let told = tell(task, log, &mut report).await;
        let is_result = matches!(outcome, Outcome::Success { .. } | Outcome::Failure(_));
        let sent = if told == Delivery::Unreachable && is_result && !is_there {
            answers(task).await.map(|()| false)
        } else {
            send(task, &outcome).await.map(|()| true)
        };
        let refusal = match sent {
            Ok(true) => return,
            Ok(false) => {
                is_there = true;
                continue;
            }
            Err(CallError::Gone(why)) => {
                info!(activity.name = task.activity, "The result of a task comes too late: {why}");
                return;
            }
            Err(CallError::Unavailable(why)) => {
                if !std::mem::replace(&mut warned, true) {
                    warn!(activity.name = task.activity, "Cannot hand over a finished task yet, trying on: {why}");
                }
                is_there = false;
                tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => continue,
                    () = task.ended_early() => {
                        warn!(activity.name = task.activity, "A finished task was not handed over: {why}");
                        return;
                    }
                }
            }
            Err(refusal @ CallError::Refused { .. }) => refusal,
        };
        match outcome {
            // A result the service does not take (too large, say) is a failure of the task, not of the worker.
            Outcome::Success { .. } => {
                let message = format!("the task succeeded, but its result was not accepted: {refusal}");
                outcome = Outcome::Failure(Failure::of_job(task.activity, UNEXPECTED_ERROR, &message, None, &[]));
            }
            _ => {
                error!(activity.name = task.activity, "The end of a task was not accepted: {refusal}");
                return;
            }
        }
    }
}

/// Hands over log lines and report, as far as they are not yet.
async fn tell(task: &Task<'_>, log: &JobLog, report: &mut Option<TaskReport>) -> Delivery {
    let reports = &task.worker.reports;
    let logged = log.flush(reports, task.token()).await;
    if let Some(body) = report {
        match reports.report(body).await {
            Delivery::Unreachable => return Delivery::Unreachable,
            Delivery::Delivered | Delivery::Unsupported => *report = None,
        }
    }
    logged
}

/// Whether the service answers about this task, be it with a refusal.
async fn answers(task: &Task<'_>) -> Result<(), CallError> {
    match task.worker.client.heartbeat(task.token()).await {
        Err(CallError::Refused { .. }) => Ok(()),
        other => other,
    }
}

async fn send(task: &Task<'_>, outcome: &Outcome) -> Result<(), CallError> {
    let client = &task.worker.client;
    match outcome {
        Outcome::Success { output } => client.succeed(task.token(), output).await,
        Outcome::Failure(failure) => client.fail(task.token(), &failure.error, &failure.cause).await,
        Outcome::Gone => Ok(()),
        Outcome::GivenBack => give_back(task).await,
    }
}

/// Stepwell is asked to hand the task to another worker at once; if it cannot, the lease's end does it. On AWS a task
/// cannot be given back, and nobody would notice before its timeout, so there it fails, for a Retrier to see.
async fn give_back(task: &Task<'_>) -> Result<(), CallError> {
    if task.worker.settings.aws {
        let message = format!("worker `{}` stopped before the task was done", task.worker.settings.name);
        let failure = Failure::of_job(task.activity, UNEXPECTED_ERROR, &message, None, &[]);
        return task.worker.client.fail(task.token(), &failure.error, &failure.cause).await;
    }
    if task.worker.reports.release(task.token()).await != Delivery::Delivered {
        info!(
            activity.name = task.activity,
            "A task was not given back; another worker gets it when its lease expires"
        );
    }
    Ok(())
}
