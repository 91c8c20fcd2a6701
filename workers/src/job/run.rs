//! Running one job, from its command line to its result.

use std::panic::AssertUnwindSafe;

use chrono::Utc;
use futures::FutureExt;
use uuid::Uuid;

use super::context::Report;
use super::{Arguments, Code, Finish, JobContext, JobDefinition, JobError, JobResult, JobStatus, coded, usage};
use crate::lake::{Lake, audit_time};
use crate::query;

/// Runs a job on the lake and the SQL engine of the environment. Whatever happens becomes the result: nothing is raised.
pub async fn run_job(name: &str, arguments: &[String]) -> JobResult {
    match Lake::from_env() {
        Ok(lake) => run(lake, query::remote_of_environment().as_deref(), name, arguments).await,
        Err(error) => finished(name, &Uuid::new_v4().to_string(), Utc::now(), Err(error.into()), Report::default()),
    }
}

/// Runs a job on a given lake, all of it on this machine.
pub async fn run_job_on(lake: Lake, name: &str, arguments: &[String]) -> JobResult {
    run(lake, None, name, arguments).await
}

/// Runs a job on a given lake with its SQL on a Spark Connect endpoint (`sc://host:port`).
pub async fn run_job_on_spark(lake: Lake, remote: &str, name: &str, arguments: &[String]) -> JobResult {
    run(lake, Some(remote), name, arguments).await
}

async fn run(lake: Lake, spark: Option<&str>, name: &str, arguments: &[String]) -> JobResult {
    let started_at = Utc::now();
    let prepared = prepare(lake, spark, name, arguments);
    let (definition, context) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return finished(name, &Uuid::new_v4().to_string(), started_at, Err(error), Report::default()),
    };
    tracing::info!(job.name = name, "Started job `{name}`, run {}", context.run_id);
    let ended = match AssertUnwindSafe((definition.run)(&context)).catch_unwind().await {
        Ok(ended) => ended,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(JobError::new(Code::UnexpectedError, format!("the job panicked: {}", text.unwrap_or("no message"))))
        }
    };
    release_locks(&context).await;
    let run_id = context.run_id.clone();
    let mut report = context.report.into_inner();
    let usage = usage();
    report.metrics.insert("peak_memory_bytes".to_owned(), usage.peak_memory_bytes.into());
    report.metrics.insert("cpu_seconds".to_owned(), usage.cpu_seconds.into());
    finished(name, &run_id, started_at, ended, report)
}

fn prepare(
    lake: Lake,
    spark: Option<&str>,
    name: &str,
    line: &[String],
) -> Result<(&'static JobDefinition, JobContext), JobError> {
    let definition = super::job(name).ok_or_else(|| {
        let known = super::jobs().iter().map(|job| job.name).collect::<Vec<_>>().join(", ");
        JobError::arguments(format!("there is no job `{name}`; known are {known}"))
    })?;
    if let Some(remote) = spark {
        query::check_remote(remote)?;
        if !super::runs_on_spark(name) {
            return Err(JobError::arguments(format!(
                "job `{name}` does not run on Spark: take it out of `[bindings] spark` (or {} away), and a worker runs it \
                 itself; those that do are {}",
                query::REMOTE_VARIABLE,
                super::spark_jobs().join(", ")
            )));
        }
    }
    let arguments = Arguments::parse(line, definition.arguments)?;
    let run_id = match arguments.optional("run_id") {
        Some(run_id) => run_id.to_owned(),
        None => Uuid::new_v4().to_string(),
    };
    if run_id.len() > 128 || !run_id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(JobError::arguments("--run_id has letters, digits, `-` and `_` only, at most 128"));
    }
    let task = std::env::var("STEPWELL_TASK").ok().filter(|task| !task.is_empty());
    let owner = arguments.optional("lock_owner").map(str::to_owned).or(task).unwrap_or_else(|| run_id.clone());
    let context = JobContext::new(lake, arguments, run_id, owner);
    Ok((
        definition,
        match spark {
            Some(remote) => context.on_spark(remote),
            None => context,
        },
    ))
}

/// Gives all locks back; one that cannot be given back expires.
pub(super) async fn release_locks(context: &JobContext) {
    let locks = std::mem::take(&mut *context.locks.lock());
    for lock in locks {
        if let Err(error) = lock.release().await {
            tracing::warn!("Cannot give a lock back, it will expire: {}", error.chain());
        }
    }
}

fn finished(
    name: &str,
    run_id: &str,
    started_at: chrono::DateTime<Utc>,
    ended: Result<Finish, JobError>,
    report: Report,
) -> JobResult {
    let Finish { status, code, message } = ended.unwrap_or_else(|error| Finish {
        status: JobStatus::Failed,
        code: error.code.as_str().to_owned(),
        message: error.message,
    });
    let said = coded(&code, &message);
    match status {
        JobStatus::Failed => tracing::error!(job.name = name, "Job `{name}` failed with {said}"),
        _ => tracing::info!(job.name = name, "Job `{name}` ended with {said}"),
    }
    JobResult {
        job: name.to_owned(),
        run_id: run_id.to_owned(),
        status,
        code,
        message,
        started_at: audit_time(started_at),
        ended_at: audit_time(Utc::now()),
        metrics: report.metrics,
        outputs: report.outputs,
        warnings: report.warnings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bad_arguments_become_a_result_with_exit_status_2() {
        let lake = Lake::at("/nowhere").unwrap();
        for (name, line, part) in [
            ("no-such-job", &[][..], "no-such-job"),
            ("daily-prices-compaction", &["--bogus", "1"], "--bogus"),
            ("daily-prices-compaction", &["--run_id", "a/b"], "--run_id"),
            ("daily-prices-compaction", &["--ds", "2024-02-30"], "2024-02-30"),
        ] {
            let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
            let result = run_job_on(lake.clone(), name, &line).await;
            assert_eq!((result.status, result.exit_status()), (JobStatus::Failed, 2), "{name} {line:?}");
            assert_eq!(result.code, "PRE_VALIDATION_FAILED");
            assert!(result.message.contains(part), "{}", result.message);
        }
    }
}
