//! Why a job or function failed, in the codes of pipelines.md 6.1.

use std::fmt;

use crate::lake;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $retryable:literal;)*) => {
        /// A stable name that a Retrier or Catcher can match.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The code as it appears in results and errors.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// Whether trying again, with nothing else changed, can help.
            pub fn is_retryable(self) -> bool {
                match self { $(Code::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    /// The partition is already processed; a success.
    IdempotentSkip = "IDEMPOTENT_SKIP", false;
    /// The object that arrived is not input; a success.
    IgnoredObject = "IGNORED_OBJECT", false;
    /// Nothing in the window; a success.
    EmptyWindow = "EMPTY_WINDOW", false;
    /// Arguments or inputs missing or malformed.
    PreValidationFailed = "PRE_VALIDATION_FAILED", false;
    /// The guard's input is incomplete.
    GuardInputInvalid = "GUARD_INPUT_INVALID", false;
    /// A file type no parser is for.
    UnsupportedFileType = "UNSUPPORTED_FILE_TYPE", false;
    /// The raw day is empty.
    NoRawData = "NO_RAW_DATA", false;
    /// The window is empty.
    NoInputData = "NO_INPUT_DATA", false;
    /// No rows for the day itself.
    NoTargetData = "NO_TARGET_DATA", false;
    /// Waited in vain for silver data.
    NoSilverData = "NO_SILVER_DATA", false;
    /// A silver table does not exist.
    SilverInputMissing = "SILVER_INPUT_MISSING", false;
    /// Required columns are absent.
    MissingColumns = "MISSING_COLUMNS", false;
    /// Columns or files are not of the required shape.
    SchemaValidationFailed = "SCHEMA_VALIDATION_FAILED", false;
    /// A quality rule is violated; nothing was published.
    DqFailed = "DQ_FAILED", false;
    /// A required output is missing.
    GoldOutputMissing = "GOLD_OUTPUT_MISSING", false;
    /// The schema fingerprint could not be recorded.
    SchemaCheckFailed = "SCHEMA_CHECK_FAILED", true;
    /// A job failed for a reason it did not classify.
    GlueJobFailed = "GLUE_JOB_FAILED", true;
    /// Anything else.
    UnexpectedError = "UNEXPECTED_ERROR", true;
    /// The crawler could not be started; data stay published.
    CrawlerFailed = "CRAWLER_FAILED", true;
    /// The catalog could not be updated; data stay published.
    CatalogFailed = "CATALOG_FAILED", true;
    /// The store failed.
    StorageError = "STORAGE_ERROR", true;
    /// The Spark server that the job's SQL runs on does not answer.
    SparkUnavailable = "SPARK_UNAVAILABLE", true;
    /// Another run works on the partition.
    ConcurrentRunsExceeded = "CONCURRENT_RUNS_EXCEEDED", true;
    /// Out of time.
    Timeout = "TIMEOUT", true;
    /// A warning: a later run took over.
    StaleRun = "STALE_RUN", false;
    /// A warning: the output is of an earlier run.
    StaleOutput = "STALE_OUTPUT", false;
}

impl Code {
    /// The exit status of a job that failed with this code: 2 for bad arguments or configuration, else 1.
    pub fn exit_status(self) -> u8 {
        match self {
            Code::PreValidationFailed | Code::GuardInputInvalid | Code::UnsupportedFileType => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message behind its code, for people. Some messages begin with their code, as pipelines of AWS Glue jobs expect of
/// them: it is said once.
pub(crate) fn coded(code: &str, message: &str) -> String {
    let is_named = message.strip_prefix(code).is_some_and(|rest| rest.starts_with(':'));
    if is_named { message.to_owned() } else { format!("{code}: {message}") }
}

/// A failure of a job or function: a code, and a message that names the thing and the remedy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", coded(.code.as_str(), .message))]
pub struct JobError {
    /// The stable name.
    pub code: Code,
    /// What happened to what.
    pub message: String,
}

impl JobError {
    /// A failure.
    pub fn new(code: Code, message: impl Into<String>) -> JobError {
        JobError { code, message: message.into() }
    }

    /// A refusal of arguments or configuration (exit status 2).
    pub fn arguments(message: impl Into<String>) -> JobError {
        JobError::new(Code::PreValidationFailed, message)
    }
}

impl From<lake::Error> for JobError {
    fn from(error: lake::Error) -> JobError {
        let code = match &error {
            lake::Error::Location { .. } | lake::Error::Configuration { .. } => Code::PreValidationFailed,
            lake::Error::Storage { .. } | lake::Error::NotFound { .. } | lake::Error::Crashed { .. } => {
                Code::StorageError
            }
            lake::Error::Limit { .. } | lake::Error::Unreadable { .. } | lake::Error::Schema { .. } => {
                Code::SchemaValidationFailed
            }
            lake::Error::Encode { .. } => Code::UnexpectedError,
            lake::Error::Locked { .. } | lake::Error::LockLost { .. } | lake::Error::Conflict { .. } => {
                Code::ConcurrentRunsExceeded
            }
            lake::Error::Rows { uri, source } => return crate::query::rows_failure(uri, source.as_ref()),
        };
        JobError::new(code, error.chain())
    }
}

impl From<polars::error::PolarsError> for JobError {
    fn from(error: polars::error::PolarsError) -> JobError {
        JobError::new(Code::UnexpectedError, format!("a plan failed: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_said_once() {
        for (message, shown) in [
            ("12 % critical", "DQ_FAILED: 12 % critical"),
            ("DQ_FAILED: 12 % critical", "DQ_FAILED: 12 % critical"),
            ("DQ_FAILED_TWICE: no", "DQ_FAILED: DQ_FAILED_TWICE: no"),
            ("", "DQ_FAILED: "),
        ] {
            assert_eq!(JobError::new(Code::DqFailed, message).to_string(), shown);
        }
    }

    #[test]
    fn only_transient_codes_are_retryable() {
        let retryable: Vec<_> = Code::ALL.iter().filter(|code| code.is_retryable()).map(|code| code.as_str()).collect();
        assert_eq!(
            retryable,
            [
                "SCHEMA_CHECK_FAILED",
                "GLUE_JOB_FAILED",
                "UNEXPECTED_ERROR",
                "CRAWLER_FAILED",
                "CATALOG_FAILED",
                "STORAGE_ERROR",
                "SPARK_UNAVAILABLE",
                "CONCURRENT_RUNS_EXCEEDED",
                "TIMEOUT"
            ]
        );
    }
}
