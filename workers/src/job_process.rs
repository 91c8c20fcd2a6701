//! A task that is a job: its attempts as child processes, their log and report.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::child::{self, Command, Ended, Stops};
use crate::completion::complete;
use crate::heaps;
use crate::input::{job_arguments, job_run_id};
use crate::logs::JobLog;
use crate::outcome::{Failure, Outcome, PRE_VALIDATION_FAILED, UNEXPECTED_ERROR, judge};
use crate::query::REMOTE_VARIABLE;
use crate::report::TaskReport;
use crate::task::Task;
use crate::trial;

/// The task an attempt works for, in the job's environment; also its lock owner.
pub const TASK_VARIABLE: &str = "STEPWELL_TASK";

/// Transient trouble is rarely over in the same instant.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs the job called `job` in the registry, with its SQL on Spark where an endpoint is given, and completes the task. The slot
/// is given up only when the service knows.
pub(crate) async fn serve(task: &Task<'_>, job: &str, spark: Option<&str>, _slot: OwnedSemaphorePermit) {
    let log = JobLog::default();
    let arguments = match job_arguments(&task.claimed.input) {
        Ok(arguments) => arguments,
        Err(error) => {
            let failure = Failure::of_job(job, PRE_VALIDATION_FAILED, &error.to_string(), None, &[]);
            return complete(task, Outcome::Failure(failure), &log, None).await;
        }
    };
    let over = CancellationToken::new();
    let attempts = async {
        let end = run_attempts(task, job, spark, &arguments, &log).await;
        over.cancel();
        end
    };
    let streaming = log.stream(&task.worker.reports, task.token(), &over);
    let ((outcome, report), ()) = tokio::join!(attempts, streaming);
    match &outcome {
        Outcome::Success { .. } => info!(job.name = job, "Job `{job}` succeeded"),
        Outcome::Failure(failure) => {
            warn!(job.name = job, "Job `{job}` failed: {}", failure.said())
        }
        Outcome::Gone => info!(job.name = job, "Job `{job}` was ended: nobody waits for it any more"),
        Outcome::GivenBack => warn!(job.name = job, "Job `{job}` was ended because this worker stops"),
    }
    complete(task, outcome, &log, report).await;
}

/// `stepwell job <name> --argument=value …`: the process a worker starts for an attempt, and what a person runs by hand.
///
/// Writes log lines to standard error and the result object as the last line of standard output. Exit status
/// (`pipelines.md` 0.3): 0 success or skip, 1 failed, 2 bad arguments, 3 some partitions failed.
pub fn main_job_process(name: &str, words: &[String]) -> ExitCode {
    heaps::bound();
    if let Err(error) = child::end_with_worker() {
        // Without the thread a job may outlive a killed worker, so it does not begin.
        tracing::error!("Cannot watch the worker: {error}");
        return ExitCode::from(2);
    }
    trial::run(name, words).unwrap_or_else(|| crate::job::main_job(name, words))
}

/// One attempt, and further ones for codes that may succeed when tried again.
async fn run_attempts(
    task: &Task<'_>,
    job: &str,
    spark: Option<&str>,
    arguments: &[String],
    log: &JobLog,
) -> (Outcome, Option<TaskReport>) {
    let stops = Stops { gone: task.gone.clone(), stop: task.worker.stop.clone(), now: task.worker.now.clone() };
    let retries_max = task.worker.settings.job_retries;
    let mut attempt = 1;
    loop {
        log.start_attempt();
        let (outcome, report) = match child::run(command(task, job, spark, arguments), &stops, log).await {
            Ok(ended) => (judge(job, &ended, &log.tail()), Some(report(task, ended, attempt))),
            Err(error) => {
                let program = task.worker.settings.executable.display();
                let message = format!("cannot start `{program}`: {error}");
                (Outcome::Failure(Failure::of_job(job, UNEXPECTED_ERROR, &message, None, &[])), None)
            }
        };
        let Outcome::Failure(failure) = &outcome else { return (outcome, report) };
        // A worker that drains hands a failure on rather than begin anew.
        if !failure.retryable || attempt > retries_max || task.worker.drain.is_cancelled() {
            return (outcome, report);
        }
        let note = format!("[attempt {attempt} failed: {}; running the job again]", failure.said());
        log.push("worker", &note);
        tokio::select! {
            () = tokio::time::sleep(RETRY_PAUSE) => {}
            () = task.gone.cancelled() => return (Outcome::Gone, report),
            () = task.ended_early() => return (outcome, report),
        }
        attempt += 1;
    }
}

/// `<program> job <name> --argument=value …`. The lock owner is the same for every attempt of this task, on whichever
/// worker: an attempt may take over the lock that one before it left when it was killed, and no other task may.
fn command(task: &Task<'_>, job: &str, spark: Option<&str>, arguments: &[String]) -> Command {
    let settings = &task.worker.settings;
    let owner = job_run_id(&task.claimed.input).unwrap_or_else(|| task_id(task.token()));
    let mut words = vec!["job".to_owned(), job.to_owned()];
    words.extend(arguments.iter().filter(|argument| !argument.starts_with("--lock_owner=")).cloned());
    words.push(format!("--lock_owner={owner}"));
    // Set in any case: the worker's own must not reach the jobs that are not bound to Spark.
    let spark = spark.unwrap_or_default().to_owned();
    let mut environment = vec![(TASK_VARIABLE.to_owned(), owner), (REMOTE_VARIABLE.to_owned(), spark)];
    let optional = [
        ("STEPWELL_LAKE", settings.storage_root.clone()),
        ("STEPWELL_JOB_MEMORY_BYTES", settings.job_memory_bytes_max.map(|bytes| bytes.to_string())),
        ("POLARS_MAX_THREADS", settings.job_threads.map(|threads| threads.to_string())),
    ];
    environment.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Command {
        program: settings.executable.clone(),
        arguments: words,
        environment,
        memory_bytes_max: settings.job_memory_bytes_max,
        kill_grace: settings.kill_grace,
    }
}

/// A name for the task that may be seen by others: the token itself is the right to complete it.
fn task_id(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    format!("task-{}", hex::encode(&digest[..16]))
}

/// What a job measured of itself at its end is exact; the worker's samples stand in for jobs that had none.
fn report(task: &Task<'_>, ended: Ended, attempt: u32) -> TaskReport {
    let own = |metric| ended.result.as_ref()?.get("metrics")?.get(metric);
    TaskReport {
        task_token: task.token().to_owned(),
        peak_memory_bytes: own("peak_memory_bytes").and_then(Value::as_u64).max(ended.usage.peak_memory_bytes),
        cpu_seconds: own("cpu_seconds").and_then(Value::as_f64).or(ended.usage.cpu_seconds),
        exit_code: ended.exit.code(),
        signal: std::os::unix::process::ExitStatusExt::signal(&ended.exit),
        attempt,
        started_at: ended.started_at,
        ended_at: ended.ended_at,
        result: ended.result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_id_is_stable_and_does_not_give_the_token_away() {
        assert_eq!(task_id("token"), task_id("token"));
        assert_ne!(task_id("token"), task_id("other"));
        assert_eq!(task_id("token").len(), "task-".len() + 32);
        assert!(!task_id("abc").contains("abc"));
    }
}
