//! Bodies, queries and paths, with refusals that name the field.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Problem;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &JsonRejection) -> Problem {
    let text = rejection.body_text();
    let status = rejection.status();
    match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Problem::new(status, "the body is not declared as JSON").remedy("send `Content-Type: application/json`")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "the body is too large").remedy("send less in one call"),
        _ => {
            // serde's own words name the field in back ticks: `unknown field `x`, expected …`, `missing field `ds``.
            let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said).to_owned();
            let field = said.split('`').nth(1).map(str::to_owned);
            let problem = Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {said}"))
                .remedy("`/api/v1/openapi.json` describes it");
            match field {
                Some(field) if said.contains("field `") => problem.field(&field),
                _ => problem,
            }
        }
    }
}

/// The parameters of the query.
#[derive(Debug)]
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(refused_query(&rejection)),
        }
    }
}

fn refused_query(rejection: &QueryRejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()).remedy("`/api/v1/openapi.json` lists the parameters")
}

/// The parameters of the path.
#[derive(Debug)]
pub(super) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(refused_path(&rejection)),
        }
    }
}

fn refused_path(rejection: &PathRejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())
        .remedy("escape what is in the path (`%2F` for a slash)")
}
