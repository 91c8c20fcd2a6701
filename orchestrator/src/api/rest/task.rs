//! What workers tell of their tasks beyond the activity protocol: log lines, reports, tasks given back.
//!
//! Fields of a newer worker are passed over: a report is worth more than its shape.

use std::sync::Arc;

use asl::{TaskId, Timestamp};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::body::Body;
use super::{Problem, Rest};
use crate::pipeline::{JobReport, ReportSink, keep_report};
use crate::store::{Hint, LogLine};

/// Lines of one call.
const LINES_MAX: usize = 2_000;
/// A longer line is cut. Source: [`LogLine::text`].
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Log lines of a task.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(super) struct TaskLogs {
    /// The token that came with the task.
    #[serde(rename = "taskToken")]
    task_token: String,
    /// The lines, in order.
    lines: Vec<Line>,
}

/// A line a job wrote.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(super) struct Line {
    /// When the worker read it, epoch milliseconds.
    at: i64,
    /// `stdout`, `stderr` or `worker`.
    stream: String,
    /// The text without its line ending; at most 8 KiB are kept.
    text: String,
}

/// A task that is given back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(super) struct Release {
    /// The token that came with the task.
    #[serde(rename = "taskToken")]
    task_token: String,
}

/// Appends log lines of a task that is worked on.
#[utoipa::path(
    post, path = "/api/v1/tasks/logs", tag = "workers", request_body = TaskLogs,
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem, description = "The task is over"))
)]
pub(super) async fn logs(State(rest): State<Arc<Rest>>, Body(logs): Body<TaskLogs>) -> Result<StatusCode, Problem> {
    if logs.lines.len() > LINES_MAX {
        let problem = format!("holds {} lines", logs.lines.len());
        return Err(Problem::invalid("lines", &problem, &format!("send at most {LINES_MAX} in one call")));
    }
    for line in &logs.lines {
        if !["stdout", "stderr", "worker"].contains(&line.stream.as_str()) {
            return Err(Problem::invalid("stream", &format!("is `{}`", line.stream), "give stdout, stderr or worker"));
        }
    }
    let task = rest.engine.task_of(&logs.task_token).await?;
    let line = |line: Line| LogLine {
        number: 0,
        task: TaskId(0),
        at: Timestamp::from_millis(line.at),
        stream: line.stream,
        text: cut(line.text),
    };
    let lines: Vec<LogLine> = logs.lines.into_iter().map(line).collect();
    rest.engine.store().append_log(task.execution, task.task, &lines).await?;
    rest.engine.announce(Hint::Execution { id: task.execution, ended: false });
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a job's report, and adds its figures to the ledger.
#[utoipa::path(
    post, path = "/api/v1/tasks/report", tag = "workers", request_body = JobReport,
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem, description = "The task is over"))
)]
pub(super) async fn report(
    State(rest): State<Arc<Rest>>,
    Body(report): Body<JobReport>,
) -> Result<StatusCode, Problem> {
    let sink = ReportSink {
        engine: rest.engine.clone(),
        registry: rest.registry.clone(),
        metrics: rest.job_metrics.clone(),
        alerts: rest.alerts.clone(),
    };
    keep_report(&sink, report).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a task back, so that another worker has it at once and not when its lease expires.
#[utoipa::path(
    post, path = "/api/v1/tasks/release", tag = "workers", request_body = Release,
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem, description = "The task is over"))
)]
pub(super) async fn release(
    State(rest): State<Arc<Rest>>,
    Body(release): Body<Release>,
) -> Result<StatusCode, Problem> {
    rest.engine.release(&release.task_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn cut(mut text: String) -> String {
    if text.len() > LINE_BYTES_MAX {
        let end = (0..=LINE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    // Postgres keeps no zero bytes in texts.
    text.replace('\0', "\u{fffd}")
}
