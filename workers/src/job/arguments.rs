//! A job's command line: `--name value` and `--name=value`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use chrono::NaiveDate;

use super::JobError;

/// Arguments every job takes, without dashes.
pub const COMMON: &[&str] = &["result_path", "lock_owner", "run_id"];
/// Arguments of the platform: accepted and not looked at.
const PLATFORM_PREFIXES: &[&str] = &["job-", "enable-", "extra-"];
const PLATFORM_NAMES: &[&str] = &["TempDir", "JOB_NAME", "JOB_ID", "JOB_RUN_ID", "continuous-log-logGroup"];
/// A longer value is a mistake.
const VALUE_BYTES_MAX: usize = 65_536;

/// Parsed arguments, by name without the dashes.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    values: BTreeMap<String, String>,
}

impl Arguments {
    /// Parses a command line of a job that knows the arguments `known`, besides the platform's and the common ones.
    /// The last of repeated arguments counts.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` (exit status 2) naming an unknown argument or one without its value.
    ///
    /// Source: pipelines.md 0.3.
    pub fn parse(line: &[String], known: &[&str]) -> Result<Arguments, JobError> {
        let mut values = BTreeMap::new();
        let mut words = line.iter().peekable();
        while let Some(word) = words.next() {
            let Some(named) = word.strip_prefix("--").filter(|named| !named.is_empty()) else {
                return Err(JobError::arguments(format!(
                    "`{word}` is no argument; write --name value or --name=value"
                )));
            };
            let (name, given) = match named.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (named, None),
            };
            let platform = PLATFORM_NAMES.contains(&name) || PLATFORM_PREFIXES.iter().any(|p| name.starts_with(p));
            if !platform && !known.contains(&name) && !COMMON.contains(&name) {
                let list = known.iter().chain(COMMON).map(|name| format!("--{name}")).collect::<Vec<_>>().join(" ");
                return Err(JobError::arguments(format!("unknown argument --{name}; known are {list}")));
            }
            let value = match given {
                Some(value) => Some(value),
                // A platform switch may stand alone; what follows it may be its value.
                None => words.next_if(|next| !next.starts_with("--") || (!platform && next.len() == 2)).cloned(),
            };
            match value {
                Some(value) if value.len() > VALUE_BYTES_MAX => {
                    return Err(JobError::arguments(format!("--{name} is longer than {VALUE_BYTES_MAX} bytes")));
                }
                Some(value) if value.contains('\0') => {
                    return Err(JobError::arguments(format!("--{name} contains a NUL character")));
                }
                Some(value) => {
                    values.insert(name.to_owned(), value);
                }
                None if platform => {}
                None => return Err(JobError::arguments(format!("--{name} needs a value"))),
            }
        }
        Ok(Arguments { values })
    }

    /// The value as it was given, blank or not, without spaces around.
    pub fn written(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim())
    }

    /// The value, if given and not blank.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.written(name).filter(|value| !value.is_empty())
    }

    /// The value.
    ///
    /// # Errors
    /// If it is missing or blank.
    pub fn required(&self, name: &str) -> Result<&str, JobError> {
        self.optional(name).ok_or_else(|| JobError::arguments(format!("--{name} is required")))
    }

    /// The value, or a default.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.optional(name).unwrap_or(default)
    }

    /// The value as a number (or anything parsed), or a default.
    ///
    /// # Errors
    /// If it does not parse.
    pub fn number<T: FromStr + Display>(&self, name: &str, default: T) -> Result<T, JobError>
    where
        T::Err: Display,
    {
        match self.optional(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|error| {
                JobError::arguments(format!("--{name} is `{text}` ({error}); give a number such as {default}"))
            }),
        }
    }

    /// `true` or `false`, in any case, or a default.
    ///
    /// # Errors
    /// For anything else.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, JobError> {
        match self.optional(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "1" | "yes") => Ok(true),
            Some("false" | "0" | "no") => Ok(false),
            Some(text) => Err(JobError::arguments(format!("--{name} is `{text}`; give true or false"))),
        }
    }

    /// A real calendar date, `YYYY-MM-DD`.
    ///
    /// # Errors
    /// If it is missing or no such date.
    pub fn date(&self, name: &str) -> Result<NaiveDate, JobError> {
        let text = self.required(name)?;
        parse_date(text)
            .ok_or_else(|| JobError::arguments(format!("--{name} is `{text}`; give a calendar date as YYYY-MM-DD")))
    }
}

/// `YYYY-MM-DD` of a real date, nothing looser.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    if shaped { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Arguments, JobError> {
        Arguments::parse(&line.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(), &["ds", "codec", "rate"])
    }

    #[test]
    fn both_spellings_are_understood_and_platform_arguments_ignored() {
        let line =
            ["--ds", "2024-12-07", "--codec=zstd", "--rate", "-1.5", "--job-bookmark-option", "x", "--enable-metrics"];
        let arguments = parse(&[&line[..], &["--TempDir", "s3://t/", "--JOB_NAME=n"]].concat()).unwrap();
        assert_eq!(arguments.date("ds").unwrap().to_string(), "2024-12-07");
        assert_eq!(arguments.text("codec", "x"), "zstd");
        assert_eq!(arguments.number("rate", 0.0).unwrap(), -1.5);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, part) in [
            (&["--bogus", "1"][..], "--bogus"),
            (&["--bogus=1"], "--bogus"),
            (&["ds"], "`ds` is no argument"),
            (&["--ds"], "--ds needs a value"),
            (&["--ds", "--codec", "x"], "--ds needs a value"),
            (&["--"], "is no argument"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.message.contains(part), "{line:?}: {error}");
            assert_eq!(error.code.exit_status(), 2);
        }
        for ds in ["2024-02-30", "2024-2-3", "20240203", "2024-12-07T00", "+024-12-07", "../../x", ""] {
            assert!(parse(&["--ds", ds]).and_then(|a| a.date("ds")).is_err(), "{ds}");
        }
        let flags = parse(&["--codec", "maybe"]).unwrap();
        assert!(flags.flag("codec", true).unwrap_err().message.contains("give true or false"));
        assert!(flags.number::<u64>("codec", 1).unwrap_err().message.contains("--codec is `maybe`"));
    }
}
