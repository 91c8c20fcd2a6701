//! Arguments of this system: written with dashes, as its contract has them, or with underscores.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{NaiveDate, Utc};

use crate::job::{Arguments, JobError, parse_date};

/// The arguments of a job: those of every job here, and its own. Each in both spellings.
macro_rules! arguments {
    ($($name:literal),* $(,)?) => {
        &[
            "bucket-name", "bucket_name", "region", "batch-size", "batch_size", "processing-timeout",
            "processing_timeout", "database-prefix", "database_prefix", "schema-validation", "schema_validation",
            $($name),*
        ]
    };
}
pub(super) use arguments;

/// The argument in either spelling; `name` has dashes.
pub(super) fn given<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a str> {
    arguments.optional(name).or_else(|| arguments.optional(&name.replace('-', "_")))
}

/// The same, blank or not: where leaving it out means something, what is blank is a mistake.
pub(super) fn written<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a str> {
    arguments.written(name).or_else(|| arguments.written(&name.replace('-', "_")))
}

/// The argument, else the environment variable, else `None`. Blank counts as not given.
pub(super) fn setting(arguments: &Arguments, name: &str, variable: &str) -> Option<String> {
    let from_environment = || std::env::var(variable).ok().map(|text| text.trim().to_owned());
    given(arguments, name).map(str::to_owned).or_else(from_environment).filter(|text| !text.is_empty())
}

/// A number of an argument or environment variable, or a default.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` naming both places where it can come from.
pub(super) fn number<T: FromStr>(arguments: &Arguments, name: &str, variable: &str, default: T) -> Result<T, JobError>
where
    T::Err: Display,
{
    match setting(arguments, name, variable) {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|error| JobError::arguments(format!("--{name} ({variable}) is `{text}`: {error}")))
        }
    }
}

/// `true` or `false` of an argument or environment variable, or a default.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` for anything else.
pub(super) fn flag(arguments: &Arguments, name: &str, variable: &str, default: bool) -> Result<bool, JobError> {
    match setting(arguments, name, variable).map(|text| text.to_ascii_lowercase()).as_deref() {
        None => Ok(default),
        Some("true" | "1" | "yes") => Ok(true),
        Some("false" | "0" | "no") => Ok(false),
        Some(text) => Err(JobError::arguments(format!("--{name} ({variable}) is `{text}`; give true or false"))),
    }
}

/// `--date`, or today in UTC.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` for what is no date of the calendar, blank included.
pub(super) fn date(arguments: &Arguments) -> Result<NaiveDate, JobError> {
    match written(arguments, "date") {
        None => Ok(Utc::now().date_naive()),
        Some(text) => parse_date(text)
            .ok_or_else(|| JobError::arguments(format!("--date is `{text}`; give a calendar date as YYYY-MM-DD"))),
    }
}
