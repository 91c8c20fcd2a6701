//! Is it alive, may it be given work, and what does it measure.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Problem, Rest};
use crate::telemetry;

/// A database that takes longer to tell the time is not ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The process may be given work: its database answers, and it is not shutting down.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses((status = 200, body = String), (status = 503, body = Problem))
)]
pub(super) async fn readyz(State(rest): State<Arc<Rest>>) -> Result<&'static str, Problem> {
    let not_ready = |why: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).remedy("ask another node, or wait");
    if rest.engine.shutdown().is_cancelled() {
        return Err(not_ready("the server is shutting down"));
    }
    match tokio::time::timeout(READY_WITHIN, rest.engine.store().now()).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(_)) | Err(_) => Err(not_ready("the database does not answer")),
    }
}

/// What the server measures, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 404, body = Problem))
)]
pub(super) async fn prometheus(State(rest): State<Arc<Rest>>) -> Result<Response, Problem> {
    let Some(handle) = &rest.prometheus else {
        return Err(Problem::not_found("this server measures nothing").remedy("start it with metrics enabled"));
    };
    telemetry::metrics::observe(rest.engine.store().as_ref()).await?;
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((content_type, handle.render()).into_response())
}
