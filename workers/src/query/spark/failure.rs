//! What a Spark server says went wrong, as a job's failure.

use spark_connect_core::SparkError;

use crate::job::{Code, JobError};

/// Of a server's message so many characters are shown: after them come plans and stack traces.
const MESSAGE_CHARS_MAX: usize = 600;

/// Status codes of gRPC.
mod status {
    pub const CANCELLED: i32 = 1;
    pub const DEADLINE_EXCEEDED: i32 = 4;
    pub const PERMISSION_DENIED: i32 = 7;
    pub const UNAVAILABLE: i32 = 14;
    pub const UNAUTHENTICATED: i32 = 16;
}

/// A statement that a Spark server did not run to its end.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(in crate::query) struct Failure {
    /// What it is to the job.
    pub code: Code,
    /// What happened to what, where, and the remedy if it is ours to name.
    pub message: String,
}

impl From<Failure> for JobError {
    fn from(failure: Failure) -> JobError {
        JobError::new(failure.code, failure.message)
    }
}

impl Failure {
    /// The failure of `what` on the server at `endpoint`.
    pub fn of(endpoint: &str, what: &str, error: &SparkError) -> Failure {
        let said = if error.message.is_empty() { error.message() } else { error.message.clone() };
        let said = first_words(&said);
        let has = |marks: &[&str]| marks.iter().any(|mark| said.contains(mark));
        let (code, message) = match error.grpc_code() {
            Some(status::UNAVAILABLE | status::DEADLINE_EXCEEDED) => (
                Code::SparkUnavailable,
                format!(
                    "Spark at {endpoint} cannot be reached for {what}: is it running, and is the address of --spark-remote \
                     right? ({said})"
                ),
            ),
            Some(status::UNAUTHENTICATED | status::PERMISSION_DENIED) => (
                Code::PreValidationFailed,
                format!(
                    "Spark at {endpoint} refuses {what}: check the token in the address of --spark-remote ({said})"
                ),
            ),
            Some(status::CANCELLED) => (Code::UnexpectedError, format!("Spark at {endpoint} broke off {what}: {said}")),
            _ if has(&["OPERATION_CANCELED", "INTERRUPTED"]) => {
                (Code::UnexpectedError, format!("Spark at {endpoint} broke off {what}, because it was told to: {said}"))
            }
            _ if has(&[
                "PATH_NOT_FOUND",
                "FAILED_READ_FILE",
                "FileNotFoundException",
                "AccessDenied",
                "NoSuchBucket",
            ]) =>
            {
                (
                    Code::StorageError,
                    format!(
                        "Spark at {endpoint} cannot read the lake for {what}: {said}. It must reach it under the same address, \
                     with credentials of its own (docs/spark.md)"
                    ),
                )
            }
            _ => (Code::UnexpectedError, format!("Spark at {endpoint} failed on {what}: {said}")),
        };
        Failure { code, message }
    }
}

/// The message without the server's stack trace, in one line.
fn first_words(message: &str) -> String {
    let told = message.split("JVM stacktrace:").next().unwrap_or_default();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    match told.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &told[..end]),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32, message: &str) -> SparkError {
        SparkError { grpc_code: Some(code), ..SparkError::connect_msg(message) }
    }

    #[test]
    fn failures_say_where_and_what_helps() {
        for (code, message, expected, part) in [
            (14, "[unavailable] tcp connect error", Code::SparkUnavailable, "--spark-remote"),
            (16, "[unauthenticated] no token", Code::PreValidationFailed, "token"),
            (13, "[internal] [PATH_NOT_FOUND] Path does not exist", Code::StorageError, "credentials of its own"),
            (13, "[internal] [OPERATION_CANCELED] Operation has been canceled.", Code::UnexpectedError, "told to"),
            (13, "[internal] [USER_RAISED_EXCEPTION] boom\n\nJVM stacktrace:\nat x", Code::UnexpectedError, "boom"),
        ] {
            let failure = Failure::of("host:15002", "the statement `select 1`", &said(code, message));
            assert_eq!(failure.code, expected, "{message}");
            assert!(failure.message.contains(part) && failure.message.contains("host:15002"), "{failure}");
            assert!(!failure.message.contains("stacktrace"), "{failure}");
        }
        let long = Failure::of("host", "it", &said(13, &"é".repeat(5000)));
        assert!(long.message.chars().count() < MESSAGE_CHARS_MAX + 50);
    }
}
