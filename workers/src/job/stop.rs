//! Stopping between two steps: for jobs that run on and on, and end well when asked to.
//!
//! Most jobs end at once on SIGTERM: what they were writing stays invisible, and another attempt does it again. A job that
//! calls [`graceful_stop`] is asked instead, once; a second signal ends it like the others.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// One per process, as signals are.
static STOP: OnceLock<CancellationToken> = OnceLock::new();

/// Declares that this job ends by itself when the token is cancelled, within the worker's grace (`--kill-grace-seconds`).
pub(crate) fn graceful_stop() -> CancellationToken {
    STOP.get_or_init(CancellationToken::new).clone()
}

/// Asks the job to stop; `false` if it does not listen or was asked before.
pub(super) fn ask() -> bool {
    let Some(stop) = STOP.get().filter(|stop| !stop.is_cancelled()) else { return false };
    stop.cancel();
    true
}
