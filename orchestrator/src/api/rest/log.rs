//! What the jobs of an execution wrote.

use std::sync::Arc;

use asl::TaskId;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::body::{Path, Query};
use super::view::List;
use super::{Problem, Rest};
use crate::pipeline::ActionError;
use crate::store::LogLine;

/// Lines of one page at most.
const LINES_MAX: u32 = 5_000;

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// Only of this task, as `tasks` and `reports` of the execution number it.
    task: Option<u64>,
    /// How many at most, 1 to 5000; 1000 without.
    limit: Option<u32>,
    /// What the page before answered; while the execution runs, the last page's is good for what comes later.
    next_token: Option<String>,
}

/// A line a job wrote.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct LogLineView {
    /// Its number in the execution.
    number: i64,
    /// The task that wrote it.
    task: u64,
    /// ISO 8601, UTC, by the worker's clock.
    at: String,
    /// `stdout`, `stderr` or `worker`.
    stream: String,
    /// The text; at most 8 KiB.
    text: String,
}

impl From<LogLine> for LogLineView {
    fn from(line: LogLine) -> Self {
        Self { number: line.number, task: line.task.0, at: line.at.to_string(), stream: line.stream, text: line.text }
    }
}

/// Log lines of an execution, in the order in which they arrived.
#[utoipa::path(
    get, path = "/api/v1/executions/{arn}/logs", tag = "executions",
    params(("arn" = String, Path, description = "Its ARN"), LogQuery),
    responses((status = 200, body = List<LogLineView>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn get(
    State(rest): State<Arc<Rest>>,
    Path(arn): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<List<LogLineView>>, Problem> {
    let limit = query.limit.unwrap_or(1_000);
    if !(1..=LINES_MAX).contains(&limit) {
        return Err(Problem::invalid("limit", &format!("is {limit}"), &format!("give 1 to {LINES_MAX}")));
    }
    let after: i64 = match query.next_token.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => {
            let problem = format!("is `{}`", query.next_token.unwrap_or_default());
            return Err(Problem::invalid(
                "next_token",
                &problem,
                "give what the page before answered, or leave it out",
            ));
        }
    };
    let store = rest.engine.store();
    let record = store.execution(&arn).await?.ok_or(ActionError::UnknownExecution(arn))?;
    let lines = store.log(record.id, query.task.map(TaskId), after, limit).await?;
    // While it runs more may come behind the last line, so that the same question goes on from there.
    let goes_on = lines.len() == limit as usize || record.stopped_at.is_none();
    let last = lines.last().map_or(after, |line| line.number);
    Ok(Json(List {
        items: lines.into_iter().map(LogLineView::from).collect(),
        next_token: goes_on.then(|| last.to_string()),
    }))
}
