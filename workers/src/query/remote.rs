//! Which Spark Connect endpoint a job's SQL runs on, if any, and the end of the sessions there.
//!
//! The endpoint is told to a job's process by [`REMOTE_VARIABLE`]: a worker sets it for the tasks that are bound to Spark
//! and takes it away from all others; a person sets it by hand. A build without the feature `spark` refuses it.

use crate::job::JobError;

/// The Spark Connect endpoint that a job's SQL runs on; absent or empty: on this machine.
pub const REMOTE_VARIABLE: &str = "STEPWELL_SPARK_REMOTE";

/// An endpoint that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The build has no Spark client.
    #[error(
        "this build of stepwell has no Spark client: build it with `--features spark` (docs/spark.md), or take \
         {REMOTE_VARIABLE} (--spark-remote) away to run jobs here"
    )]
    NoSpark,
    /// The text is no address. It is not shown: an address may hold a token.
    #[error(
        "{REMOTE_VARIABLE} (--spark-remote) is no Spark Connect address: give one like sc://127.0.0.1:15002 or \
         sc://host:443/;use_ssl=true;token=…"
    )]
    Address,
}

impl From<RemoteError> for JobError {
    fn from(error: RemoteError) -> JobError {
        JobError::arguments(error.to_string())
    }
}

/// The endpoint of this process's environment.
pub(crate) fn remote_of_environment() -> Option<String> {
    std::env::var(REMOTE_VARIABLE).ok().map(|remote| remote.trim().to_owned()).filter(|remote| !remote.is_empty())
}

/// Whether an endpoint can be used by this build; nothing is connected to.
#[cfg(feature = "spark")]
pub(crate) fn check_remote(remote: &str) -> Result<(), RemoteError> {
    super::spark::check(remote)
}

/// Whether an endpoint can be used by this build; nothing is connected to.
#[cfg(not(feature = "spark"))]
pub(crate) fn check_remote(remote: &str) -> Result<(), RemoteError> {
    Err(if remote.starts_with("sc://") { RemoteError::NoSpark } else { RemoteError::Address })
}

/// Ends all sessions of this process on Spark: what still runs there is interrupted, what was kept is given back. Takes two
/// seconds at most, less than a worker waits for a job it has told to stop.
pub(crate) async fn end_sessions() {
    #[cfg(feature = "spark")]
    super::spark::end_sessions().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_being_shown() {
        for remote in ["localhost:15002", "http://127.0.0.1:15002/;token=secret", "sc:/x"] {
            let refusal = check_remote(remote).unwrap_err();
            assert_eq!(refusal, RemoteError::Address, "{remote}");
            assert!(!refusal.to_string().contains("secret"), "{refusal}");
        }
        let good = check_remote("sc://127.0.0.1:15002");
        assert_eq!(good, if cfg!(feature = "spark") { Ok(()) } else { Err(RemoteError::NoSpark) });
        assert_eq!(JobError::from(RemoteError::Address).code.exit_status(), 2);
    }
}
