//! `/events?page=…`: a hint whenever the page may have changed. The script reads the page again and takes over what is
//! different; the hint itself says nothing.

use std::convert::Infallible;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Dashboard;
use super::problem::Problem;
use crate::store::{ExecutionId, Hint};

/// Whose changes are wanted.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// The path of a page.
    page: String,
}

/// Which hints concern a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interest {
    /// Those of one execution.
    Execution(ExecutionId),
    /// All but timers.
    All,
}

impl Interest {
    fn takes(self, hint: &Hint) -> bool {
        match (self, hint) {
            (_, Hint::Page) => true,
            (_, Hint::Timer { .. }) => false,
            (Self::Execution(wanted), Hint::Execution { id, .. }) => *id == wanted,
            (Self::Execution(_), Hint::Task { .. }) => false,
            (Self::All, Hint::Execution { .. } | Hint::Task { .. }) => true,
        }
    }
}

/// `GET /events`.
pub async fn stream(
    State(dashboard): State<Dashboard>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let changes = (dashboard.changes)();
    let interest = match parameters.page.strip_prefix("/executions/") {
        Some(key) => {
            let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy();
            Interest::Execution(super::execution::find(&*dashboard.store, &key).await?.id)
        }
        None => Interest::All,
    };
    // The first hint comes at once: something may have changed between the page and its stream.
    let events = stream::unfold((changes, interest, true), |(mut changes, interest, first)| async move {
        if first {
            return Some((hint(), (changes, interest, false)));
        }
        loop {
            let wanted = match changes.recv().await {
                Ok(change) => interest.takes(&change),
                // What was missed may have been ours.
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return None,
            };
            if wanted {
                // One hint for all that is there already.
                while !matches!(changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
                return Some((hint(), (changes, interest, false)));
            }
        }
    });
    let events = events.take_until(dashboard.stopping.clone().cancelled_owned());
    let mut response = Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    let no_buffering = header::HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(no_buffering, header::HeaderValue::from_static("no"));
    Ok(response)
}

fn hint() -> Result<Event, Infallible> {
    // Browsers drop events whose data is empty.
    Ok(Event::default().event("changed").data("page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_hears_of_what_it_shows() {
        let (mine, other) = (ExecutionId::from_u128(1), ExecutionId::from_u128(2));
        let of = |id| Hint::Execution { id, ended: false };
        let task = Hint::Task { queue: "q".to_owned() };
        let timer = Hint::Timer { due_at: asl::Timestamp::from_millis(0) };
        for (interest, hint, takes) in [
            (Interest::Execution(mine), of(mine), true),
            (Interest::Execution(mine), of(other), false),
            (Interest::Execution(mine), Hint::Page, true),
            (Interest::Execution(mine), task.clone(), false),
            (Interest::All, of(other), true),
            (Interest::All, task, true),
            (Interest::All, timer, false),
        ] {
            assert_eq!(interest.takes(&hint), takes, "{interest:?} {hint:?}");
        }
    }
}
