//! REST under `/api/v1`, health checks and Prometheus metrics.
//!
//! For pipelines, runs, the ledger and what workers report: all that the Step Functions API does not know. The OpenAPI
//! document is made from the handlers; errors are `application/problem+json` that name the field and the remedy. No
//! decision is made here: parse, call one function, render.

mod body;
mod catalog;
mod execution;
mod health;
mod log;
mod pipeline;
mod problem;
mod run;
mod task;
mod view;
mod worker;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::histogram;
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use problem::Problem;

use crate::alert::{JobMetrics, Settings};
use crate::engine::Engine;
use crate::pipeline::{Actions, Registry};

/// The largest body: log lines of a chatty job come in calls of this size at most.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the handlers work on.
#[derive(Clone)]
pub struct Rest {
    /// The engine.
    pub engine: Engine,
    /// The pipelines.
    pub registry: Registry,
    /// Run and stop.
    pub actions: Actions,
    /// Where links lead to.
    pub alerts: Settings,
    /// The copy of job metrics for CloudWatch, where it is configured.
    pub job_metrics: Option<JobMetrics>,
    /// What `/metrics` shows; `None` answers 404.
    pub prometheus: Option<PrometheusHandle>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("engine", &self.engine).field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// The document's frame; paths and schemas come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stepwell",
        description = "Pipelines, runs, partitions, workers and what they report. Executions are also served by the AWS \
                       Step Functions API at `POST /`. Errors are `application/problem+json`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "pipelines", description = "What runs for which partition"),
        (name = "executions", description = "Runs of state machines"),
        (name = "workers", description = "What workers tell"),
        (name = "operations", description = "Catalog, outbox, health")
    )
)]
struct Document;

/// The routes. `/metrics`, `/healthz` and `/readyz` stand beside `/api/v1`.
pub fn router(rest: Rest) -> axum::Router {
    let (api, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(pipeline::list))
        .routes(routes!(pipeline::get))
        .routes(routes!(pipeline::partitions))
        .routes(routes!(run::start))
        .routes(routes!(execution::list))
        .routes(routes!(execution::get))
        .routes(routes!(execution::stop))
        .routes(routes!(log::get))
        .routes(routes!(task::logs))
        .routes(routes!(task::report))
        .routes(routes!(task::release))
        .routes(routes!(worker::heartbeat))
        .routes(routes!(worker::list))
        .routes(routes!(catalog::tables))
        .routes(routes!(catalog::outbox))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::prometheus))
        .split_for_parts();
    let document = Arc::new(document);
    api.route("/api/v1/openapi.json", get(move || async move { axum::Json((*document).clone()) }))
        .route("/api/v1/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn_with_state((), measure))
        .with_state(Arc::new(rest))
}

async fn unknown(request: Request) -> Problem {
    let path = request.uri().path().to_owned();
    Problem::not_found(format!("there is nothing at `{path}`")).remedy("`/api/v1/openapi.json` lists what there is")
}

async fn wrong_method(request: Request) -> Problem {
    let detail = format!("`{}` is not answered at `{}`", request.method(), request.uri().path());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, detail)
        .remedy("`/api/v1/openapi.json` lists what there is")
}

/// Latency by route, and nothing that a caller could make up.
async fn measure(State(()): State<()>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = request.method().as_str().to_owned();
    let started = std::time::Instant::now();
    let response = next.run(request).await.into_response();
    histogram!("stepwell_rest_seconds", "route" => route, "method" => method, "status" => response.status().as_str().to_owned())
        .record(started.elapsed().as_secs_f64());
    response
}
