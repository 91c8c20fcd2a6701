//! The dashboard: pages rendered here, live by server-sent events, usable without a script.
//!
//! One file per page: it gathers from the store into plain facts, maps those to a view, and the template of the same
//! name writes it. No page decides anything: what changes goes through [`Actions`], which the binary wires.
//!
//! | page | module |
//! |---|---|
//! | `/` | [`overview`] |
//! | `/pipelines`, `/pipelines/{name}` | [`pipelines`], [`pipeline`] with [`grid`] |
//! | `/executions`, `/executions/{name or ARN}` | [`executions`], [`execution`] with [`graph`], [`timeline`], [`why`], [`panel`], [`results`] |
//! | `/tables`, `/alarms`, `/workers` | the modules of those names |
//! | `/events?page=…` | [`live`] |

mod action;
mod address;
mod alarms;
mod execution;
mod executions;
mod facts;
mod failure;
mod figure;
mod graph;
mod grid;
mod history;
mod history_table;
mod json;
mod live;
mod log;
mod mark;
mod moment;
mod overview;
mod page;
mod panel;
mod pipeline;
mod pipeline_row;
mod pipelines;
mod problem;
mod remedy;
mod results;
mod runs;
#[cfg(test)]
mod sample;
mod sheet;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod style_tests;
mod tables;
mod timeline;
mod visit;
mod why;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub use action::{ActionError, Actions};

use crate::store::{Hint, Store};
use problem::Problem;

/// Only our own files, no inline script or style, nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the pages are made from. Cheap to clone.
#[derive(Clone)]
pub struct Dashboard {
    store: Arc<dyn Store>,
    actions: Arc<dyn Actions>,
    changes: Arc<dyn Fn() -> broadcast::Receiver<Hint> + Send + Sync>,
    stopping: CancellationToken,
    drawings: Arc<graph::Drawings>,
    runs: Arc<runs::Runs>,
}

impl Dashboard {
    /// A dashboard over `store` that acts through `actions`. Every open page listens to a receiver that `changes` gives
    /// out, until `stopping` is cancelled: streams would keep a server from ending otherwise.
    pub fn new(
        store: Arc<dyn Store>,
        actions: Arc<dyn Actions>,
        changes: impl Fn() -> broadcast::Receiver<Hint> + Send + Sync + 'static,
        stopping: CancellationToken,
    ) -> Self {
        Self { store, actions, changes: Arc::new(changes), stopping, drawings: Arc::default(), runs: Arc::default() }
    }
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard").field("store", &self.store).field("actions", &self.actions).finish_non_exhaustive()
    }
}

/// All pages, assets and forms. Unknown paths are answered with a page that leads back.
pub fn router(dashboard: Dashboard) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/pipelines", get(pipelines::show))
        .route("/pipelines/{name}", get(pipeline::show))
        .route("/pipelines/{name}/runs", post(action::run))
        .route("/executions", get(executions::show))
        .route("/executions/{key}", get(execution::show))
        .route("/executions/{key}/history.json", get(execution::download))
        .route("/executions/{key}/stop", post(action::stop))
        .route("/tables", get(tables::show))
        .route("/alarms", get(alarms::show))
        .route("/workers", get(workers::show))
        .route("/events", get(live::stream))
        .route("/assets/app.css", get(|| asset("text/css; charset=utf-8", page::CSS)))
        .route("/assets/app.js", get(|| asset("text/javascript; charset=utf-8", page::JS)))
        .route("/assets/graph.js", get(|| asset("text/javascript; charset=utf-8", page::GRAPH_JS)))
        .route("/assets/grid.js", get(|| asset("text/javascript; charset=utf-8", page::GRID_JS)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", page::ICON)))
        .fallback(unknown)
        .layer(middleware::from_fn(action::same_origin))
        .layer(middleware::from_fn(guard))
        .with_state(dashboard)
}

async fn unknown(uri: Uri) -> Problem {
    Problem::NotFound { what: format!("page `{}`", uri.path()), back: ("/", "Overview") }
}

/// Assets carry the binary's version in their address, so they may be kept for good.
async fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], text)
        .into_response()
}

/// The headers every answer carries.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
