//! The Step Functions API: AWS JSON 1.0 at `POST /`.
//!
//! No decision is made here: parse, call one function of the engine or the store, render. One file per group of actions;
//! `error` knows the wire's names, `check` the model's constraints.

mod activity;
mod arn;
mod check;
mod error;
mod execution;
mod history;
pub mod rest;
mod state_machine;
mod task;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use metrics::{counter, histogram};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use error::ApiError;

use crate::engine::Engine;

/// What the actions work on.
#[derive(Clone, Debug)]
pub struct Api {
    pub(crate) engine: Engine,
}

/// A request is at most 1 MiB of definition, which JSON escapes may double, and little else.
/// Source: Step Functions quotas, "Maximum request size".
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The route `POST /`.
pub fn router(engine: Engine) -> axum::Router {
    axum::Router::new()
        .route("/", post(answer))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(Api { engine }))
}

async fn answer(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix(protocol::TARGET_PREFIX).unwrap_or_default();
    let started = std::time::Instant::now();
    let result = match body {
        Ok(body) => dispatch(&api, operation, &body).await,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ApiError::validation(format!("Request is larger than {BODY_BYTES_MAX} bytes")))
        }
        Err(rejection) => Err(ApiError::serialization(rejection.body_text())),
    };
    // Unknown names would let a client make up label values without end.
    let known = if matches!(&result, Err(error) if error.code() == "UnknownOperationException") {
        "unknown"
    } else {
        operation
    };
    let outcome = result.as_ref().err().map_or("ok", ApiError::code);
    counter!("stepwell_api_requests_total", "operation" => known.to_owned(), "outcome" => outcome).increment(1);
    if operation != "GetActivityTask" {
        histogram!("stepwell_api_seconds", "operation" => known.to_owned()).record(started.elapsed().as_secs_f64());
    }
    let mut response = match result {
        Ok(body) => (StatusCode::OK, body).into_response(),
        Err(error) => {
            if error.is_fault() {
                tracing::error!(operation, error = &error as &dyn std::error::Error, "`{operation}` failed");
            }
            error.into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(protocol::CONTENT_TYPE));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

async fn dispatch(api: &Api, operation: &str, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    match operation {
        "CreateStateMachine" => render(&state_machine::create(api, read(body)?).await?),
        "UpdateStateMachine" => render(&state_machine::update(api, read(body)?).await?),
        "DescribeStateMachine" => render(&state_machine::describe(api, read(body)?).await?),
        "DescribeStateMachineForExecution" => render(&state_machine::describe_for_execution(api, read(body)?).await?),
        "ListStateMachines" => render(&state_machine::list(api, read(body)?).await?),
        "DeleteStateMachine" => render(&state_machine::delete(api, read(body)?).await?),
        "ValidateStateMachineDefinition" => render(&state_machine::validate(read(body)?)?),
        "StartExecution" => render(&execution::start(api, read(body)?).await?),
        "DescribeExecution" => render(&execution::describe(api, read(body)?).await?),
        "ListExecutions" => render(&execution::list(api, read(body)?).await?),
        "StopExecution" => render(&execution::stop(api, read(body)?).await?),
        "GetExecutionHistory" => render(&history::get(api, read(body)?).await?),
        "CreateActivity" => render(&activity::create(api, read(body)?).await?),
        "DescribeActivity" => render(&activity::describe(api, read(body)?).await?),
        "DeleteActivity" => render(&activity::delete(api, read(body)?).await?),
        "ListActivities" => render(&activity::list(api, read(body)?).await?),
        "GetActivityTask" => render(&activity::get_task(api, read(body)?).await?),
        "SendTaskSuccess" => render(&task::success(api, read(body)?).await?),
        "SendTaskFailure" => render(&task::failure(api, read(body)?).await?),
        "SendTaskHeartbeat" => render(&task::heartbeat(api, read(body)?).await?),
        other => Err(ApiError::unknown_operation(other)),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| ApiError::serialization(error.to_string()))
}

fn render<T: Serialize>(answer: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer).map_err(|error| ApiError::internal(error.to_string()))
}
