//! Findings that do not forbid a definition: fields that look as if they were meant otherwise.
//!
//! The codes are AWS's (`ValidateStateMachineDefinitionDiagnostic`): `NO_DOLLAR`, `NO_PATH`, `PASS_RESULT_IS_STATIC`.

use serde_json::{Map, Value};

use super::parse::json;
use super::{Diagnostic, Severity};

/// Fields whose literals AWS never evaluates in JSONPath, but that people write paths into.
const PATH_TWINS: [&str; 9] = [
    "Seconds",
    "Timestamp",
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "Error",
    "Cause",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
];

const TEMPLATES: [&str; 6] = ["Parameters", "ResultSelector", "ItemSelector", "Assign", "Credentials", "BatchInput"];

/// The warnings of a definition; empty where it is no JSON object.
pub(super) fn warnings(text: &str) -> Vec<Diagnostic> {
    let Ok((value, duplicates)) = json::read(text) else { return Vec::new() };
    let mut found = Vec::new();
    for duplicate in duplicates.iter().filter(|duplicate| !duplicate.parent.ends_with("/States")) {
        let message = format!("Field '{}' appears more than once; only the last one counts", duplicate.key);
        warn(&mut found, "SCHEMA_VALIDATION_FAILED", format!("{}/{}", duplicate.parent, duplicate.key), message);
    }
    if let Some(machine) = value.as_object() {
        let jsonata = machine.get("QueryLanguage").is_some_and(|language| language == "JSONata");
        scope(machine, "", jsonata, &mut found);
    }
    found
}

fn warn(found: &mut Vec<Diagnostic>, code: &'static str, location: String, message: String) {
    found.push(Diagnostic { severity: Severity::Warning, code, message, location: Some(location) });
}

fn scope(object: &Map<String, Value>, location: &str, jsonata: bool, found: &mut Vec<Diagnostic>) {
    let Some(states) = object.get("States").and_then(Value::as_object) else { return };
    for (name, state) in states {
        let location = format!("{location}/States/{name}");
        let Some(fields) = state.as_object() else { continue };
        let own = fields.get("QueryLanguage").map(|language| language == "JSONata");
        if !own.unwrap_or(jsonata) {
            json_path_state(fields, &location, found);
        }
        for (index, branch) in fields.get("Branches").and_then(Value::as_array).into_iter().flatten().enumerate() {
            if let Some(branch) = branch.as_object() {
                scope(branch, &format!("{location}/Branches[{index}]"), jsonata, found);
            }
        }
        for field in ["ItemProcessor", "Iterator"] {
            if let Some(processor) = fields.get(field).and_then(Value::as_object) {
                scope(processor, &format!("{location}/{field}"), jsonata, found);
            }
        }
    }
}

fn json_path_state(fields: &Map<String, Value>, location: &str, found: &mut Vec<Diagnostic>) {
    for (field, value) in fields {
        let location = format!("{location}/{field}");
        if TEMPLATES.contains(&field.as_str()) {
            no_dollar(value, &location, found);
        } else if PATH_TWINS.contains(&field.as_str()) && value.as_str().is_some_and(looks_evaluated) {
            let message = format!("Field value looks like a path; use '{field}Path' if it is one");
            warn(found, "NO_PATH", location, message);
        } else if field == "Result" && fields.get("Type").is_some_and(|kind| kind == "Pass") {
            static_result(value, &location, found);
        }
    }
}

/// Literals of a payload template that look like paths or function calls.
fn no_dollar(value: &Value, location: &str, found: &mut Vec<Diagnostic>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let inside = format!("{location}/{key}");
                if !key.ends_with(".$") && value.as_str().is_some_and(looks_evaluated) {
                    let message =
                        format!("Field value looks like an expression; write the key as '{key}.$' if it is one");
                    warn(found, "NO_DOLLAR", inside, message);
                } else {
                    no_dollar(value, &inside, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                no_dollar(item, &format!("{location}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// Paths in the `Result` of a Pass.
fn static_result(value: &Value, location: &str, found: &mut Vec<Diagnostic>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let inside = format!("{location}/{key}");
                if key.ends_with(".$") {
                    let message = "The Result of a Pass is taken as it is; use Parameters to evaluate it".to_owned();
                    warn(found, "PASS_RESULT_IS_STATIC", inside, message);
                } else {
                    static_result(value, &inside, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                static_result(item, &format!("{location}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn looks_evaluated(text: &str) -> bool {
    text == "$"
        || ["$.", "$[", "$$."].iter().any(|start| text.starts_with(start))
        || (text.starts_with("States.") && text.ends_with(')'))
}
