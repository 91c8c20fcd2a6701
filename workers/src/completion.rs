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
pub(crate) async fn complete(task: &Task<'_>, outcome: Outcome, log: &JobLog, mut report: Option<TaskReport>) {
    let mut outcome = outcome;
    let mut backoff = Backoff::new();
    let mut warned = false;
    loop {
        log.flush(&task.worker.reports, task.token()).await;
        if let Some(body) = &report
            && task.worker.reports.report(body).await != Delivery::Unreachable
        {
            report = None;
        }
        let refusal = match send(task, &outcome).await {
            Ok(()) => return,
            Err(CallError::Gone(why)) => {
                info!(activity.name = task.activity, "The result of a task comes too late: {why}");
                return;
            }
            Err(CallError::Unavailable(why)) => {
                if !std::mem::replace(&mut warned, true) {
                    warn!(activity.name = task.activity, "Cannot hand over a finished task yet, trying on: {why}");
                }
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
