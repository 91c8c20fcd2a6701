//! Workers: their signs of life.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::Body;
use super::view::List;
use super::{Problem, Rest};
use crate::store::{Hint, WorkerRecord};

/// Workers that were not seen for so long are not listed.
const SEEN_WITHIN_SECONDS: i64 = 3_600;
/// What a worker's name may be: it is shown and searched for.
const NAME_CHARS_MAX: usize = 256;

/// A worker's sign of life. Fields of a newer worker are kept and shown.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(super) struct Heartbeat {
    /// Its name.
    name: String,
    /// Version, pid, host, slots, running, activities, status.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    about: serde_json::Map<String, Value>,
}

/// A worker.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WorkerView {
    /// Its name.
    name: String,
    /// What it said of itself.
    #[schema(value_type = Object)]
    about: Value,
    /// When it was seen last, ISO 8601, UTC.
    seen_at: String,
}

/// Says that a worker lives, and what it does.
#[utoipa::path(
    post, path = "/api/v1/workers/heartbeat", tag = "workers", request_body = Heartbeat,
    responses((status = 204), (status = 400, body = Problem))
)]
pub(super) async fn heartbeat(
    State(rest): State<Arc<Rest>>,
    Body(heartbeat): Body<Heartbeat>,
) -> Result<StatusCode, Problem> {
    let chars = heartbeat.name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) || heartbeat.name.contains('\0') {
        return Err(Problem::invalid("name", &format!("has {chars} characters"), "give 1 to 256, without zero bytes"));
    }
    let worker =
        WorkerRecord { name: heartbeat.name, about: Value::Object(heartbeat.about), seen_at: rest.engine.now() };
    rest.engine.store().put_worker(&worker).await?;
    rest.engine.announce(Hint::Page);
    Ok(StatusCode::NO_CONTENT)
}

/// Workers seen within the last hour.
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers", responses((status = 200, body = List<WorkerView>)))]
pub(super) async fn list(State(rest): State<Arc<Rest>>) -> Result<Json<List<WorkerView>>, Problem> {
    let since = rest.engine.now().plus_seconds(-SEEN_WITHIN_SECONDS);
    let workers = rest.engine.store().workers(since).await?;
    let view = |worker: WorkerRecord| WorkerView {
        name: worker.name,
        about: worker.about,
        seen_at: worker.seen_at.to_string(),
    };
    Ok(Json(List::all(workers.into_iter().map(view).collect())))
}
