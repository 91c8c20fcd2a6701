//! Logs: for people on a terminal, as JSON lines elsewhere.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Writes logs to standard error from now on; once per process.
///
/// `STEPWELL_LOG` filters them (`info` by default; `debug`, or `orchestrator=debug,warn`).
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_env("STEPWELL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).compact().init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
