//! Errors as `application/problem+json`. Source: RFC 9457.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::engine::{self, ReportError};
use crate::pipeline::ActionError;
use crate::store;

/// What went wrong, with the field and the remedy.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `title` is that of the status.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// The field of the request it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<Box<str>>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub remedy: Option<Box<str>>,
    /// The execution it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub execution_arn: Option<Box<str>>,
}

impl Problem {
    /// A problem.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            remedy: None,
            execution_arn: None,
        }
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 400: a field that cannot be meant.
    pub fn invalid(field: &str, problem: &str, remedy: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("`{field}` {problem}")).field(field).remedy(remedy)
    }

    /// With the field.
    pub fn field(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With the remedy.
    pub fn remedy(mut self, remedy: &str) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// 503: not the caller's doing, and worth another try.
    fn fault(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "A REST call failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server cannot do this now").remedy("try again in a moment")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::BadToken(token) => Self::invalid(
                "next_token",
                &format!("is `{token}`"),
                "give what the page before answered, or leave it out",
            ),
            other => Self::fault(&other),
        }
    }
}

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Self {
        Self::fault(&error)
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::InvalidToken => {
                Self::invalid("taskToken", "is no task token", "give the one that came with the task")
            }
            ReportError::TaskTimedOut => Self::not_found("the task is over, or another worker's")
                .field("taskToken")
                .remedy("end the work: nobody waits for it"),
            ReportError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        let detail = error.to_string();
        match error {
            ActionError::UnknownPipeline { .. } => {
                Self::not_found(detail).field("name").remedy("`GET /api/v1/pipelines` lists them")
            }
            ActionError::UnknownExecution(_) => {
                Self::not_found(detail).field("arn").remedy("`GET /api/v1/executions` lists them")
            }
            ActionError::Invalid { field, problem, remedy } => Self::invalid(&field, &problem, &remedy),
            ActionError::Busy { execution_arn, .. } => Self {
                execution_arn: Some(execution_arn.into()),
                ..Self::new(StatusCode::CONFLICT, detail).field("ds").remedy("wait for that run, or stop it first")
            },
            ActionError::KeyReused(arn) => Self {
                execution_arn: Some(arn.into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                    .field("Idempotency-Key")
                    .remedy("use a new key for a new request")
            },
            ActionError::Unsettled { .. } => {
                Self::new(StatusCode::CONFLICT, detail).field("ds").remedy("try again in a moment")
            }
            ActionError::MachineGone(_) => Self::new(StatusCode::CONFLICT, detail),
            ActionError::Fault(fault) => fault.into(),
        }
    }
}
