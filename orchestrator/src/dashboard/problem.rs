//! What a page cannot be: the reason in words, and a way back.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::page::{Chrome, html};
use crate::store;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no such thing.
    #[error("{what} does not exist")]
    NotFound {
        /// `execution `x``, `page `/y``.
        what: String,
        /// Where to look: a path and what is there.
        back: (&'static str, &'static str),
    },
    /// What was asked is not possible; nothing was changed.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
        /// What to do instead.
        remedy: String,
        /// A path and what is there.
        back: (String, String),
        /// The status to answer with.
        status: StatusCode,
    },
    /// The store does not answer.
    #[error("the store does not answer")]
    Store(#[from] store::Error),
    /// A page could not be written.
    #[error("the page could not be written")]
    Render(#[from] askama::Error),
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    chrome: Chrome,
    title: String,
    text: String,
    back: (String, String),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title, text, back) = match self {
            Self::NotFound { what, back } => (
                StatusCode::NOT_FOUND,
                format!("There is no {what}"),
                "The name may be mistyped, or the thing was deleted.".to_owned(),
                (back.0.to_owned(), back.1.to_owned()),
            ),
            Self::Refused { reason, remedy, back, status } => (status, reason, remedy, back),
            Self::Store(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "A page could not be read from the store");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The store does not answer".to_owned(),
                    "Nothing is lost: executions go on as soon as it does. The log of the server says more.".to_owned(),
                    ("/".to_owned(), "Overview".to_owned()),
                )
            }
            Self::Render(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "A page could not be written");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The page could not be written".to_owned(),
                    "This is a bug; the log of the server says more.".to_owned(),
                    ("/".to_owned(), "Overview".to_owned()),
                )
            }
        };
        let page = ProblemPage { chrome: Chrome::new(&title, ""), title, text, back };
        match html(&page) {
            Ok(body) => (status, body).into_response(),
            Err(_) => (status, "The page could not be written; go back to /").into_response(),
        }
    }
}
