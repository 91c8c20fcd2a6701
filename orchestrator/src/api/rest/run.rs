//! Starting runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::{Body, Path};
use super::{Problem, Rest};
use crate::pipeline::{RunRequest, Which};

/// A run that is asked for: of one `ds` or of a `date_range`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRun {
    /// The partition, `2024-12-07`.
    ds: Option<String>,
    /// The partitions from start to end, both included.
    date_range: Option<DateRange>,
    /// Whether partitions that are in already are made again.
    #[serde(default)]
    reprocess: bool,
    /// Fields that replace those of the sheet's template.
    #[serde(default)]
    #[schema(value_type = Object)]
    input: Map<String, Value>,
    /// Whether the run waits if its `ds` is being made by another one. One run waits at most: a second request is
    /// answered with that.
    #[serde(default)]
    queue: bool,
}

/// A range of days.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DateRange {
    /// The first day.
    start: String,
    /// The last day.
    end: String,
}

/// A run that was started.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct StartedRun {
    /// Its execution; while it waits, the one it will be.
    execution_arn: String,
    /// What it is about, ascending.
    partitions: Vec<String>,
    /// `STARTED`, or `QUEUED` while it waits for another run of its partition.
    status: &'static str,
    /// ISO 8601, UTC; absent while it waits.
    started_at: Option<String>,
    /// Whether this request did it: `false` when its idempotency key had done so before, or when another run waits already.
    fresh: bool,
    /// The page about it.
    dashboard_url: String,
}

/// Starts a run. With an `Idempotency-Key` header a repeated request answers with the run it started.
#[utoipa::path(
    post, path = "/api/v1/pipelines/{name}/runs", tag = "pipelines", request_body = StartRun,
    params(
        ("name" = String, Path, description = "The pipeline's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Asking again with the same key is the same run"),
    ),
    responses(
        (status = 202, body = StartedRun), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "A partition is being made by the execution named"),
        (status = 422, body = Problem, description = "The idempotency key was used for another request"),
    )
)]
pub(super) async fn start(
    State(rest): State<Arc<Rest>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(run): Body<StartRun>,
) -> Result<Response, Problem> {
    let which = match (run.ds, run.date_range) {
        (Some(ds), None) => Which::One(ds),
        (None, Some(range)) => Which::Range(range.start, range.end),
        (None, None) => {
            return Err(Problem::invalid("ds", "is missing", "give `ds`, or `date_range` with `start` and `end`"));
        }
        (Some(_), Some(_)) => return Err(Problem::invalid("date_range", "stands beside `ds`", "give one of them")),
    };
    let idempotency_key = match headers.get("idempotency-key").map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) => Some(key.to_owned()),
        Some(Err(_)) => {
            return Err(Problem::invalid("Idempotency-Key", "is not plain text", "give letters and digits"));
        }
    };
    let request = RunRequest {
        pipeline: name,
        which,
        reprocess: run.reprocess,
        input: run.input,
        queue: run.queue,
        idempotency_key,
        trigger: "rest".to_owned(),
    };
    let answer = rest.actions.start(request).await?;
    let dashboard_url = rest.alerts.execution_url(&answer.execution_arn);
    let location = [(header::LOCATION, dashboard_url.clone())];
    let started = StartedRun {
        execution_arn: answer.execution_arn,
        partitions: answer.partitions,
        status: if answer.started_at.is_some() { "STARTED" } else { "QUEUED" },
        started_at: answer.started_at.map(|at| at.to_string()),
        fresh: answer.fresh,
        dashboard_url,
    };
    Ok((StatusCode::ACCEPTED, location, Json(started)).into_response())
}
