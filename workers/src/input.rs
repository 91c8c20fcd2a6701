//! A job task's input as command line arguments.
//!
//! A Glue-bound task brings `{"JobName": "…", "Arguments": {"--ds": "2024-12-07"}}` as `glue:startJobRun` has it; an
//! activity used by itself may bring the arguments as a plain object, with or without the dashes.

use serde_json::{Map, Value};

/// Linux takes 128 KiB per argument (`MAX_ARG_STRLEN`); with the name this stays below.
const VALUE_BYTES_MAX: usize = 100 * 1024;
/// Far above any job's arguments; together they stay below the system's limit for all of them.
const ARGUMENTS_MAX: usize = 256;

/// An input no command line can be made of.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum InputError {
    #[error("the task's input is not JSON: {0}")]
    NotJson(String),
    #[error(
        "the task's input must be an object, either {{\"JobName\", \"Arguments\": {{\"--name\": \"value\"}}}} or the arguments themselves"
    )]
    NotAnObject,
    #[error("`Arguments` must be an object such as {{\"--ds\": \"2024-12-07\"}}")]
    ArgumentsNotAnObject,
    #[error("argument name `{0}` is not usable; names are letters, digits, `-`, `_` and `.`")]
    Name(String),
    #[error("argument `{0}` must be text, a number or a boolean; leave it out if there is no value")]
    Value(String),
    #[error(
        "argument `{0}` is longer than {VALUE_BYTES_MAX} bytes or holds a zero byte; pass a path to the data instead"
    )]
    Text(String),
    #[error("more than {ARGUMENTS_MAX} arguments")]
    TooMany,
}

/// The arguments as `--name=value`, in the input's order.
pub(crate) fn job_arguments(input: &str) -> Result<Vec<String>, InputError> {
    let input: Value = serde_json::from_str(input).map_err(|error| InputError::NotJson(error.to_string()))?;
    let Value::Object(input) = input else { return Err(InputError::NotAnObject) };
    let arguments = if input.contains_key("JobName") || input.contains_key("Arguments") {
        match input.get("Arguments") {
            None | Some(Value::Null) => &Map::new(),
            Some(Value::Object(arguments)) => arguments,
            Some(_) => return Err(InputError::ArgumentsNotAnObject),
        }
    } else {
        &input
    };
    if arguments.len() > ARGUMENTS_MAX {
        return Err(InputError::TooMany);
    }
    arguments.iter().map(|(name, value)| argument(name, value)).collect()
}

/// `JobRunId`, which a Stepwell server gives with a Glue-bound task: it stays the same when the task goes to another
/// worker because the first was lost.
pub(crate) fn job_run_id(input: &str) -> Option<String> {
    let input: Value = serde_json::from_str(input).ok()?;
    input.get("JobRunId")?.as_str().map(str::to_owned)
}

/// `--name=value` and not two words: a value may itself begin with dashes.
fn argument(name: &str, value: &Value) -> Result<String, InputError> {
    let bare = name.strip_prefix("--").unwrap_or(name);
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if bare.is_empty() || bare.starts_with('-') || bare.len() > 128 || !bare.chars().all(usable) {
        return Err(InputError::Name(name.chars().take(80).collect()));
    }
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(InputError::Value(name.to_owned())),
    };
    if value.len() > VALUE_BYTES_MAX || value.contains('\0') {
        return Err(InputError::Text(name.to_owned()));
    }
    Ok(format!("--{bare}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_run_is_known_where_the_server_names_it() {
        assert_eq!(job_run_id(r#"{"JobName":"x","JobRunId":"jr_1","Arguments":{}}"#).as_deref(), Some("jr_1"));
        assert_eq!(job_run_id(r#"{"JobName":"x"}"#), None);
        assert_eq!(job_run_id("no JSON"), None);
    }

    #[test]
    fn both_forms_become_the_same_arguments() {
        for input in [
            r#"{"JobName": "dev-etl", "Arguments": {"--ds": "2024-12-07", "--n": "3"}}"#,
            r#"{"Arguments": {"--ds": "2024-12-07", "--n": 3}}"#,
            r#"{"--ds": "2024-12-07", "--n": 3}"#,
            r#"{"ds": "2024-12-07", "n": "3"}"#,
        ] {
            assert_eq!(job_arguments(input).unwrap(), ["--ds=2024-12-07", "--n=3"], "{input}");
        }
    }

    #[test]
    fn no_arguments_are_fine() {
        for input in ["{}", r#"{"JobName": "etl"}"#, r#"{"JobName": "etl", "Arguments": null}"#] {
            assert_eq!(job_arguments(input).unwrap(), Vec::<String>::new(), "{input}");
        }
    }

    #[test]
    fn values_keep_every_character() {
        let input = r#"{"--sql": "--x = 'a b'\nü", "--empty": "", "--force": true}"#;
        assert_eq!(job_arguments(input).unwrap(), ["--sql=--x = 'a b'\nü", "--empty=", "--force=true"]);
    }

    #[test]
    fn what_cannot_be_an_argument_is_refused_by_name() {
        let long = format!(r#"{{"--x": "{}"}}"#, "x".repeat(VALUE_BYTES_MAX + 1));
        let many: Map<String, Value> = (0..=ARGUMENTS_MAX).map(|n| (n.to_string(), Value::Null)).collect();
        let many = Value::Object(many).to_string();
        for (input, expected) in [
            ("[1]", InputError::NotAnObject),
            (r#"{"JobName": "etl", "Arguments": ["--ds"]}"#, InputError::ArgumentsNotAnObject),
            (r#"{"--a b": "x"}"#, InputError::Name("--a b".to_owned())),
            (r#"{"": "x"}"#, InputError::Name(String::new())),
            (r#"{"---x": "x"}"#, InputError::Name("---x".to_owned())),
            (r#"{"--ds": null}"#, InputError::Value("--ds".to_owned())),
            (r#"{"--ds": ["x"]}"#, InputError::Value("--ds".to_owned())),
            (r#"{"--ds": "a\u0000b"}"#, InputError::Text("--ds".to_owned())),
            (&long, InputError::Text("--x".to_owned())),
            (&many, InputError::TooMany),
        ] {
            assert_eq!(job_arguments(input), Err(expected), "{}", crate::client::first_chars(input, 60));
        }
        assert!(matches!(job_arguments("{"), Err(InputError::NotJson(_))));
    }
}
