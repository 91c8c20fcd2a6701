//! An error and its cause in words, whoever wrote them: a Glue job run, a Lambda error, a job's result object, a child
//! execution, or plain text.

use serde_json::Value;

use super::figure::{self, Figure};
use super::moment::duration;

/// Causes in causes that are looked into: a child execution's cause holds that of its task.
const DEPTH_MAX: usize = 4;
/// Lines at the end of a job's log that a cause may bring along.
const LINES_MAX: usize = 8;

/// A failure in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// The most telling code.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// What the cause tells besides.
    pub figures: Vec<Figure>,
    /// The last lines of the job's log, where the cause has them.
    pub lines: Vec<String>,
}

/// Reads an error and its cause, and the code that a job puts before its message (`DQ_FAILED: 12.4 % critical`).
pub fn explain(error: Option<&str>, cause: Option<&str>) -> Explained {
    let mut explained = of_cause(error.unwrap_or_default(), cause.unwrap_or_default().trim(), 0);
    if explained.message.is_empty() {
        explained.message = "No cause was given.".to_owned();
    }
    if explained.code.is_empty() {
        explained.code = "no error name".to_owned();
    }
    explained
}

/// What a cause tells, if it is the JSON of something known; `None` for plain text and any other JSON.
pub fn known_cause(cause: &str) -> Option<Explained> {
    let json: Value = serde_json::from_str(cause.trim()).ok()?;
    let known = ["ErrorMessage", "errorMessage", "Cause"].iter().any(|name| json.get(*name).is_some());
    (known || is_result(&json)).then(|| explain(None, Some(cause)))
}

fn is_result(json: &Value) -> bool {
    ["status", "code", "message"].iter().all(|name| json.get(*name).is_some_and(Value::is_string))
}

fn of_cause(error: &str, cause: &str, depth: usize) -> Explained {
    let parsed = serde_json::from_str::<Value>(cause).ok().filter(|json| json.is_object() && depth < DEPTH_MAX);
    let Some(json) = parsed else { return of_text(error, cause) };
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    if let Some(inner) = text("Cause") {
        // A child execution: `Error` and `Cause` are its own.
        return of_cause(text("Error").unwrap_or(error), inner.trim(), depth + 1);
    }
    // A job's result, alone or within what its worker said of it.
    let result = json.get("result").filter(|result| is_result(result)).or_else(|| is_result(&json).then_some(&json));
    let message = text("ErrorMessage").or_else(|| text("errorMessage")).or_else(|| text("message"));
    let mut explained = of_text(error, message.unwrap_or(cause).trim());
    let own = result.and_then(|result| result.get("code")?.as_str()).or_else(|| text("errorType"));
    if let Some(code) = own.filter(|_| explained.code == error && matches!(error, "" | "States.TaskFailed")) {
        explained.code = code.to_owned();
        if let Some(rest) = explained.message.strip_prefix(code).and_then(|rest| rest.strip_prefix(':')) {
            explained.message = rest.trim().to_owned();
        }
    }
    explained.figures = figures(&json, result);
    let lines = json.get("lastLines").and_then(Value::as_array).into_iter().flatten();
    let lines: Vec<String> = lines.filter_map(Value::as_str).map(str::to_owned).collect();
    explained.lines = lines[lines.len().saturating_sub(LINES_MAX)..].to_vec();
    explained
}

fn figures(json: &Value, result: Option<&Value>) -> Vec<Figure> {
    let mut figures = Vec::new();
    let job = ["JobName", "jobName"].iter().find_map(|name| json.get(*name)?.as_str());
    figures.extend(job.map(|job| ("job".to_owned(), job.to_owned())));
    let seconds = json.get("ExecutionTime").and_then(Value::as_i64);
    figures.extend(seconds.map(|seconds| ("ran".to_owned(), duration(seconds * 1000))));
    figures.extend(result.map(figure::of_result).into_iter().flatten());
    figures
}

/// `CODE: message`, else the error's name and the text.
fn of_text(error: &str, text: &str) -> Explained {
    let (code, message) = text.split_once(':').filter(|(head, _)| is_code(head)).unwrap_or((error, text));
    Explained { code: code.to_owned(), message: message.trim().to_owned(), ..Explained::default() }
}

/// `DQ_FAILED`, but not `Error` and not the start of a sentence.
fn is_code(text: &str) -> bool {
    text.len() >= 5
        && text.contains('_')
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn causes_are_read_whoever_wrote_them() {
        let glue = json!({ "JobRunState": "FAILED", "ErrorMessage": "DQ_FAILED: 12.4 % critical" }).to_string();
        let lambda = json!({ "errorMessage": "ds is no date", "errorType": "PreflightError" }).to_string();
        let result = json!({ "job": "etl", "status": "FAILED", "code": "NO_RAW_DATA", "message": "no file" });
        let worker = json!({ "errorMessage": "NO_RAW_DATA: no file", "errorType": "NO_RAW_DATA", "result": result });
        let child = json!({ "ExecutionArn": "arn:…", "Status": "FAILED", "Error": "States.TaskFailed", "Cause": glue });
        for (error, cause, code, message) in [
            (Some("States.TaskFailed"), Some(glue.as_str()), "DQ_FAILED", "12.4 % critical"),
            (Some("States.TaskFailed"), Some(lambda.as_str()), "PreflightError", "ds is no date"),
            (Some("PreflightError"), Some(lambda.as_str()), "PreflightError", "ds is no date"),
            (Some("NO_RAW_DATA"), Some(&worker.to_string()), "NO_RAW_DATA", "no file"),
            (Some("States.TaskFailed"), Some(&result.to_string()), "NO_RAW_DATA", "no file"),
            (Some("States.TaskFailed"), Some(&child.to_string()), "DQ_FAILED", "12.4 % critical"),
            (Some("States.Timeout"), None, "States.Timeout", "No cause was given."),
            (Some("E"), Some("Error: plain text"), "E", "Error: plain text"),
            (None, None, "no error name", "No cause was given."),
        ] {
            let explained = explain(error, cause);
            assert_eq!((explained.code.as_str(), explained.message.as_str()), (code, message), "{cause:?}");
        }
    }

    #[test]
    fn the_result_of_a_job_brings_its_metrics_along() {
        let result = json!({
            "job": "etl", "status": "FAILED", "code": "DQ_FAILED", "message": "12 %",
            "metrics": { "critical_records": 311 }, "outputs": [],
        });
        let cause = json!({
            "errorMessage": "DQ_FAILED: 12 %", "errorType": "DQ_FAILED", "jobName": "etl", "result": result,
            "lastLines": ["a", "b"],
        });
        let explained = explain(Some("DQ_FAILED"), Some(&cause.to_string()));
        assert!(explained.figures.contains(&("critical records".to_owned(), "311".to_owned())), "{explained:?}");
        assert_eq!(explained.lines, ["a", "b"]);
        assert_eq!(known_cause(&cause.to_string()).unwrap().code, "DQ_FAILED");
        for other in ["plain", "{}", "[1]", r#"{"a":1}"#] {
            assert_eq!(known_cause(other), None, "{other}");
        }
    }
}
