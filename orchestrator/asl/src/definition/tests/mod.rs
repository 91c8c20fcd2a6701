//! Definitions and what is said of them.

mod failure;
mod json;
mod map;
mod scope;
mod state;
mod whole;

use super::{Severity, StateMachine};

/// Every finding of `definition` as `CODE: message at location`, in order.
fn findings(definition: &str, express: bool) -> Vec<String> {
    match StateMachine::parse(definition, express) {
        Ok(_) => Vec::new(),
        Err(found) => {
            assert!(found.iter().all(|finding| finding.severity == Severity::Error), "{found:?}");
            found.iter().map(ToString::to_string).collect()
        }
    }
}

#[track_caller]
fn check(definition: &str, expected: &[&str]) {
    assert_eq!(findings(definition, false), expected, "\n{definition}");
}

/// Checks a machine of one state `X` with these fields; a bare message stands for a schema finding at `/States/X`.
#[track_caller]
fn check_state(fields: &str, expected: &[&str]) {
    let definition = format!(r#"{{ "StartAt": "X", "States": {{ "X": {{ {fields} }} }} }}"#);
    let expected: Vec<String> = expected.iter().map(|text| at_state(text)).collect();
    assert_eq!(findings(&definition, false), expected, "\n{fields}");
}

/// [`check_state`] in a JSONata machine.
#[track_caller]
fn check_jsonata_state(fields: &str, expected: &[&str]) {
    check_state(&format!(r#""QueryLanguage": "JSONata", {fields}"#), expected);
}

/// `message`, or `message @ /Field` inside the state.
fn at_state(text: &str) -> String {
    let (message, inside) = text.rsplit_once(" @ ").unwrap_or((text, ""));
    if message.starts_with("INVALID_") || message.starts_with("UNSUPPORTED_") || message.starts_with("DUPLICATE_") {
        return format!("{message} at /States/X{inside}");
    }
    format!("SCHEMA_VALIDATION_FAILED: {message} at /States/X{inside}")
}
