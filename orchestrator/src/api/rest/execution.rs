//! Executions: list, look at, stop.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::{Body, Path, Query};
use super::view::{ExecutionDetail, ExecutionView, List, ReportView, TaskView};
use super::{Problem, Rest};
use crate::pipeline::{ActionError, Results};
use crate::store::{ExecutionFilter, ExecutionStatus, Page};

/// What a list holds.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only runs of this pipeline.
    pipeline: Option<String>,
    /// Only runs of this partition.
    partition: Option<String>,
    /// Only in this status: `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    status: Option<String>,
    /// Only of this machine.
    state_machine_arn: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
    /// What the page before answered.
    next_token: Option<String>,
}

/// Executions, newest start first.
#[utoipa::path(
    get, path = "/api/v1/executions", tag = "executions", params(ListQuery),
    responses((status = 200, body = List<ExecutionView>), (status = 400, body = Problem))
)]
pub(super) async fn list(
    State(rest): State<Arc<Rest>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<ExecutionView>>, Problem> {
    let status = query.status.as_deref().map(str::parse::<ExecutionStatus>).transpose().map_err(|why| {
        Problem::invalid(
            "status",
            &format!("is not known: {why}"),
            "give RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED",
        )
    })?;
    let limit = query.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::invalid("limit", &format!("is {limit}"), "give 1 to 1000"));
    }
    let filter = ExecutionFilter {
        state_machine_arn: query.state_machine_arn,
        statuses: status.into_iter().collect(),
        pipeline: query.pipeline,
        partition: query.partition,
        ..ExecutionFilter::default()
    };
    let page = Page { token: query.next_token, limit };
    let found = rest.engine.store().list_executions(&filter, &page).await?;
    let view = |record| ExecutionView::of(record, rest.alerts.execution_url(&record.arn));
    Ok(Json(List { items: found.items.iter().map(view).collect(), next_token: found.next }))
}

/// One execution, with its open tasks and what its jobs reported.
#[utoipa::path(
    get, path = "/api/v1/executions/{arn}", tag = "executions", params(("arn" = String, Path, description = "Its ARN")),
    responses((status = 200, body = ExecutionDetail), (status = 404, body = Problem))
)]
pub(super) async fn get(
    State(rest): State<Arc<Rest>>,
    Path(arn): Path<String>,
) -> Result<Json<ExecutionDetail>, Problem> {
    let store = rest.engine.store();
    let record = store.execution(&arn).await?;
    let record = record.ok_or(ActionError::UnknownExecution(arn))?;
    let tasks = store.tasks(record.id).await?;
    let reports = store.reports(record.id).await?;
    let json = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
    Ok(Json(ExecutionDetail {
        execution: ExecutionView::of(&record, rest.alerts.execution_url(&record.arn)),
        input: json(&record.input),
        output: record.output.as_ref().map(json),
        tasks: tasks.into_iter().map(TaskView::from).collect(),
        results: Results::of_reports(&reports),
        reports: reports.into_iter().map(ReportView::from).collect(),
    }))
}

/// Why an execution is stopped.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// For people; becomes the execution's cause.
    reason: Option<String>,
}

/// Whether it was running.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stopped {
    /// `false` if it had ended before.
    stopped: bool,
}

/// Stops an execution: its tasks are given up, its jobs are ended within seconds.
#[utoipa::path(
    post, path = "/api/v1/executions/{arn}/stop", tag = "executions", request_body = Stop,
    params(("arn" = String, Path, description = "Its ARN")),
    responses((status = 200, body = Stopped), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn stop(
    State(rest): State<Arc<Rest>>,
    Path(arn): Path<String>,
    Body(stop): Body<Stop>,
) -> Result<Json<Stopped>, Problem> {
    let stopped = rest.actions.stop(&arn, stop.reason.as_deref()).await?;
    Ok(Json(Stopped { stopped }))
}
