//! What can be done from a page: start a run, stop an execution. Forms post, the answer is a redirect or a reason.

use async_trait::async_trait;
use axum::extract::{Form, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Dashboard;
use super::page::{execution_path, pipeline_path};
use super::problem::Problem;

/// What the dashboard asks of the rest of the orchestrator.
#[async_trait]
pub trait Actions: Send + Sync + std::fmt::Debug + 'static {
    /// Starts a run of a pipeline for one partition; the ARN of the execution.
    async fn run(&self, pipeline: &str, ds: &str, reprocess: bool) -> Result<String, ActionError>;

    /// Stops an execution.
    async fn stop(&self, execution_arn: &str) -> Result<(), ActionError>;
}

/// Why an action was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The partition is being made by another execution.
    #[error("`{partition}` is being made already")]
    Busy {
        /// Which.
        partition: String,
        /// By whom.
        execution_arn: String,
    },
    /// It cannot be done as asked.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
        /// What to do instead.
        remedy: String,
    },
    /// It could not be done; trying again may help.
    #[error("{0}")]
    Fault(String),
}

impl ActionError {
    /// The page that says so; `back` is where the form was.
    fn problem(self, back: (String, String)) -> Problem {
        let (reason, remedy, back, status) = match self {
            Self::Busy { partition, execution_arn } => (
                format!("{partition} is being made already"),
                "Wait for the run that is going, or stop it first.".to_owned(),
                (execution_path(&execution_arn), "The run that is going".to_owned()),
                StatusCode::CONFLICT,
            ),
            Self::Refused { reason, remedy } => (reason, remedy, back, StatusCode::UNPROCESSABLE_ENTITY),
            Self::Fault(reason) => {
                tracing::error!(reason, "An action asked for in the dashboard could not be done");
                let reason = "It could not be done".to_owned();
                let remedy = "Nothing was changed. Try again in a moment; the log of the server says more.".to_owned();
                (reason, remedy, back, StatusCode::SERVICE_UNAVAILABLE)
            }
        };
        Problem::Refused { reason, remedy, back, status }
    }
}

/// The form that starts a run.
#[derive(Debug, Deserialize)]
pub struct RunForm {
    #[serde(default)]
    ds: String,
    #[serde(default)]
    reprocess: Option<String>,
}

/// `POST /pipelines/{name}/runs`.
pub async fn run(
    State(dashboard): State<Dashboard>,
    Path(name): Path<String>,
    Form(form): Form<RunForm>,
) -> Result<Response, Problem> {
    let back = (format!("{}#run", pipeline_path(&name)), format!("Back to {name}"));
    super::pipeline::find(&*dashboard.store, &name).await?;
    let ds = form.ds.trim();
    if chrono::NaiveDate::parse_from_str(ds, "%Y-%m-%d").is_err() || ds.len() != 10 {
        let reason = if ds.is_empty() { "No day was given".to_owned() } else { format!("`{ds}` is no day") };
        let remedy = "Give the partition as YYYY-MM-DD, for example 2025-09-05. Nothing was started.".to_owned();
        return Err(Problem::Refused { reason, remedy, back, status: StatusCode::UNPROCESSABLE_ENTITY });
    }
    let reprocess = form.reprocess.as_deref().is_some_and(|value| matches!(value, "true" | "1" | "on"));
    match dashboard.actions.run(&name, ds, reprocess).await {
        Ok(arn) => Ok(Redirect::to(&format!("{}?done=started", execution_path(&arn))).into_response()),
        Err(error) => Err(error.problem(back)),
    }
}

/// `POST /executions/{key}/stop`.
pub async fn stop(State(dashboard): State<Dashboard>, Path(key): Path<String>) -> Result<Response, Problem> {
    let record = super::execution::find(&*dashboard.store, &key).await?;
    let path = execution_path(&record.arn);
    match dashboard.actions.stop(&record.arn).await {
        Ok(()) => Ok(Redirect::to(&format!("{path}?done=stopped")).into_response()),
        Err(error) => Err(error.problem((path, "Back to the execution".to_owned()))),
    }
}

/// Lets changes through only if the page that asks for them is one of ours.
///
/// Browsers say where a request comes from (`Sec-Fetch-Site`, or `Origin` for older ones); what says nothing is no
/// browser and cannot be tricked into sending a form.
pub async fn same_origin(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) || is_same_origin(request.headers()) {
        return next.run(request).await;
    }
    Problem::Refused {
        reason: "This form was sent from another site".to_owned(),
        remedy: "Nothing was changed. Use the form of the dashboard itself.".to_owned(),
        back: ("/".to_owned(), "Overview".to_owned()),
        status: StatusCode::FORBIDDEN,
    }
    .into_response()
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_forms_change_things() {
        for (headers, allowed) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("origin", "http://127.0.0.1:8083"), ("host", "127.0.0.1:8083")], true),
            (vec![("origin", "http://evil.example"), ("host", "127.0.0.1:8083")], false),
            (vec![("origin", "null"), ("host", "127.0.0.1:8083")], false),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.insert(header::HeaderName::from_static(name), header::HeaderValue::from_static(value));
            }
            assert_eq!(is_same_origin(&map), allowed, "{headers:?}");
        }
    }
}
