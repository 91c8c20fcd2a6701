//! What an ended attempt means for its task: a rule without I/O.
//!
//! | the job's process | the task |
//! |---|---|
//! | exit 0 with a result object | succeeds; the output is the result object |
//! | exit 1, 2 or 3 with a result object | fails; error = the result's `code` |
//! | anything else: no result, another status, a signal | fails with `UNEXPECTED_ERROR`, naming it and the last lines |
//! | ended because the task is gone | nothing to report |
//! | ended because the worker stops | given back |
//!
//! The cause of a failed job is JSON text: Lambda's two fields, which the orchestrator turns into Glue's `JobRun` where the
//! state machine asked for a Glue job, and what else helps:
//! `{"errorMessage": "<CODE>: <message>", "errorType": "<CODE>", "jobName", "result": {…}, "lastLines": […]}`.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde_json::{Value, json};

use crate::child::{Ended, Stopped};
use crate::job::coded;

/// The code of whatever has no code of its own (`pipelines.md` 6.1).
pub(crate) const UNEXPECTED_ERROR: &str = "UNEXPECTED_ERROR";
/// The code of an input that cannot be understood.
pub(crate) const PRE_VALIDATION_FAILED: &str = "PRE_VALIDATION_FAILED";

/// Codes whose job may succeed when it is simply run again (`pipelines.md` 6.1, "1").
const RETRYABLE_CODES: [&str; 4] = ["STORAGE_ERROR", "SCHEMA_CHECK_FAILED", UNEXPECTED_ERROR, "GLUE_JOB_FAILED"];
/// The service takes 32,768 characters of cause; cut JSON would be no JSON, so parts are left out instead.
const CAUSE_BYTES_MAX: usize = 32_000;
const MESSAGE_CHARS_MAX: usize = 8_192;
const LAST_LINE_CHARS_MAX: usize = 500;

/// What the service is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// SendTaskSuccess with this JSON text.
    Success { output: String },
    /// SendTaskFailure.
    Failure(Failure),
    /// Nobody waits for it.
    Gone,
    /// Another worker may have it.
    GivenBack,
}

/// A failure as data: what Retry and Catch see.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// The stable name a Retrier or Catcher matches.
    pub error: String,
    /// For people.
    pub message: String,
    /// JSON text.
    pub cause: String,
    /// Whether the worker may run the job again by itself.
    pub retryable: bool,
}

impl Failure {
    /// A failure of a job, with its cause in the shape above.
    pub fn of_job(job: &str, error: &str, message: &str, result: Option<&Value>, last_lines: &[String]) -> Failure {
        let message = crate::client::first_chars(message, MESSAGE_CHARS_MAX);
        let mut cause = json!({
            "errorMessage": coded(error, message),
            "errorType": error,
            "jobName": job,
        });
        let fields = cause.as_object_mut().expect("built as an object");
        if let Some(result) = result {
            fields.insert("result".to_owned(), result.clone());
        }
        if !last_lines.is_empty() {
            let lines = last_lines.iter().map(|line| crate::client::first_chars(line, LAST_LINE_CHARS_MAX));
            fields.insert("lastLines".to_owned(), lines.collect());
        }
        let mut text = cause.to_string();
        for part in ["lastLines", "result"] {
            if text.len() > CAUSE_BYTES_MAX {
                cause.as_object_mut().expect("built as an object").remove(part);
                text = cause.to_string();
            }
        }
        let retryable = RETRYABLE_CODES.contains(&error);
        Failure { error: error.to_owned(), message: message.to_owned(), cause: text, retryable }
    }

    /// Error and message, as a log says them.
    pub fn said(&self) -> String {
        coded(&self.error, &self.message)
    }

    /// A failure of a function, with its cause as Lambda writes it: `{"errorMessage", "errorType"}`.
    pub fn of_function(error: &str, message: &str) -> Failure {
        let message = crate::client::first_chars(message, MESSAGE_CHARS_MAX);
        let cause = json!({ "errorMessage": message, "errorType": error }).to_string();
        Failure { error: error.to_owned(), message: message.to_owned(), cause, retryable: false }
    }
}

/// Judges an ended attempt of `job`; `last_lines` are the end of its log.
pub(crate) fn judge(job: &str, ended: &Ended, last_lines: &[String]) -> Outcome {
    match ended.stopped {
        Some(Stopped::TaskGone) => return Outcome::Gone,
        Some(Stopped::WorkerStops) => return Outcome::GivenBack,
        Some(Stopped::MemoryLimit { held_bytes }) => {
            let message = format!(
                "the job held {} MiB of memory, more than this worker allows; raise `--job-memory-mib` or give it less data",
                held_bytes >> 20
            );
            let failure = Failure::of_job(job, UNEXPECTED_ERROR, &message, None, last_lines);
            // The same input needs the same memory again.
            return Outcome::Failure(Failure { retryable: false, ..failure });
        }
        None => {}
    }
    match (ended.exit.code(), &ended.result) {
        (Some(0), Some(result)) => Outcome::Success { output: result.to_string() },
        (Some(1..=3), Some(result)) => {
            let text = |key| result.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            let code = text("code").unwrap_or(UNEXPECTED_ERROR);
            let message = text("message").unwrap_or("the job gave no message");
            Outcome::Failure(Failure::of_job(job, code, message, Some(result), &[]))
        }
        (_, result) => {
            let without = if result.is_some() { "" } else { " without a result object" };
            let message = format!("the job {}{without}", describe_exit(ended.exit));
            Outcome::Failure(Failure::of_job(job, UNEXPECTED_ERROR, &message, result.as_ref(), last_lines))
        }
    }
}

/// "was killed by signal 9 (SIGKILL), often the system being out of memory" or "ended with exit status 101".
fn describe_exit(exit: ExitStatus) -> String {
    let Some(number) = exit.signal() else {
        return exit.code().map_or_else(|| "ended".to_owned(), |code| format!("ended with exit status {code}"));
    };
    let name = nix::sys::signal::Signal::try_from(number).map_or("unknown", |signal| signal.as_str());
    let hint = if name == "SIGKILL" { ", often the system being out of memory" } else { "" };
    format!("was killed by signal {number} ({name}){hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;

    fn ended(wait_status: i32, result: Option<Value>, stopped: Option<Stopped>) -> Ended {
        let exit = ExitStatus::from_raw(wait_status);
        Ended { exit, result, stopped, usage: Usage::default(), started_at: 0, ended_at: 1 }
    }

    fn exit(code: i32) -> i32 {
        code << 8
    }

    #[track_caller]
    fn check_failure(ended: &Ended, error: &str, message: &str, retryable: bool) -> Value {
        let lines = ["last words".to_owned()];
        let Outcome::Failure(failure) = judge("etl", ended, &lines) else { panic!("not a failure") };
        assert_eq!((failure.error.as_str(), failure.retryable), (error, retryable));
        assert!(failure.message.contains(message), "{}", failure.message);
        let cause: Value = serde_json::from_str(&failure.cause).expect("the cause is JSON");
        assert_eq!(cause["errorMessage"], format!("{error}: {}", failure.message));
        cause
    }

    #[test]
    fn success_hands_on_the_result_object() {
        let result = json!({"job": "etl", "status": "SKIPPED"});
        let outcome = judge("etl", &ended(exit(0), Some(result.clone()), None), &[]);
        assert_eq!(outcome, Outcome::Success { output: result.to_string() });
    }

    #[test]
    fn a_failed_job_fails_with_its_code() {
        for (code, error, retryable) in [
            (1, "DQ_FAILED", false),
            (1, "STORAGE_ERROR", true),
            (2, "PRE_VALIDATION_FAILED", false),
            (3, "UNEXPECTED_ERROR", true),
        ] {
            let result = json!({"job": "etl", "status": "FAILED", "code": error, "message": "why"});
            let cause = check_failure(&ended(exit(code), Some(result.clone()), None), error, "why", retryable);
            assert_eq!((&cause["result"], &cause["jobName"]), (&result, &json!("etl")));
        }
    }

    #[test]
    fn an_end_without_result_names_the_end_and_the_last_lines() {
        for (status, message) in [
            (exit(0), "ended with exit status 0 without a result object"),
            (exit(101), "ended with exit status 101"),
            (9, "killed by signal 9 (SIGKILL), often the system being out of memory"),
            (6, "killed by signal 6 (SIGABRT) without"),
        ] {
            let cause = check_failure(&ended(status, None, None), UNEXPECTED_ERROR, message, true);
            assert_eq!(cause["lastLines"], json!(["last words"]));
        }
    }

    #[test]
    fn a_result_before_a_crash_does_not_count_as_success() {
        let result = json!({"job": "etl", "status": "SUCCEEDED"});
        check_failure(&ended(11, Some(result), None), UNEXPECTED_ERROR, "SIGSEGV", true);
    }

    #[test]
    fn too_much_memory_is_not_tried_again() {
        let stopped = Some(Stopped::MemoryLimit { held_bytes: 300 << 20 });
        check_failure(&ended(9, None, stopped), UNEXPECTED_ERROR, "300 MiB", false);
    }

    #[test]
    fn early_ends_are_not_failures() {
        for (stopped, expected) in [(Stopped::TaskGone, Outcome::Gone), (Stopped::WorkerStops, Outcome::GivenBack)] {
            assert_eq!(judge("etl", &ended(15, None, Some(stopped)), &[]), expected);
        }
    }

    #[test]
    fn a_cause_too_long_loses_parts_and_stays_json() {
        let result =
            json!({"job": "etl", "status": "FAILED", "code": "DQ_FAILED", "message": "m", "big": "x".repeat(40_000)});
        let cause = check_failure(&ended(exit(1), Some(result), None), "DQ_FAILED", "m", false);
        assert!(cause.get("result").is_none());
    }

    #[test]
    fn a_function_fails_the_way_lambda_does() {
        let failure = Failure::of_function("PRE_VALIDATION_FAILED", "no ds");
        assert_eq!(failure.cause, r#"{"errorMessage":"no ds","errorType":"PRE_VALIDATION_FAILED"}"#);
    }
}
