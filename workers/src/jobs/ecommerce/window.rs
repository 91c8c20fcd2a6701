//! The days a gold table is made of.

use chrono::{Days, NaiveDate};

use super::argument::{date, written};
use crate::job::{Arguments, JobError};

/// The longest window, in days: beyond it a typing error is likelier than a wish.
const DAYS_MAX: u64 = 36_600;

/// The `days` days that end at `to`, both ends included.
///
/// Source: pipelines.md 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The first day.
    pub from: NaiveDate,
    /// The last day: `--date`.
    pub to: NaiveDate,
    /// How many.
    pub days: u64,
}

impl Window {
    /// The window of the arguments; `name` is `days-back` or `lookback-days`.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` for a malformed date or a window below 1 day.
    pub fn of(arguments: &Arguments, name: &str, default: u64) -> Result<Window, JobError> {
        let to = date(arguments)?;
        let days = match written(arguments, name) {
            None => default,
            Some(text) => text
                .parse()
                .ok()
                .filter(|days| (1..=DAYS_MAX).contains(days))
                .ok_or_else(|| JobError::arguments(format!("--{name} is `{text}`; give 1 to {DAYS_MAX} days")))?,
        };
        let from = to
            .checked_sub_days(Days::new(days - 1))
            .ok_or_else(|| JobError::arguments(format!("--{name} is {days}: that begins before the calendar does")))?;
        Ok(Window { from, to, days })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(line: &[&str]) -> Result<Window, JobError> {
        let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
        let arguments = Arguments::parse(&line, &["date", "days-back", "days_back"]).unwrap();
        Window::of(&arguments, "days-back", 30)
    }

    #[test]
    fn a_window_is_the_days_that_end_at_the_date() {
        for (line, from, to) in [
            (&["--date=2025-04-15", "--days-back=1"][..], "2025-04-15", "2025-04-15"),
            (&["--date=2025-04-15", "--days_back", "15"], "2025-04-01", "2025-04-15"),
            (&["--date", "2024-03-01", "--days-back", "2"], "2024-02-29", "2024-03-01"),
            (&["--date=2025-04-15"], "2025-03-17", "2025-04-15"),
        ] {
            let window = window(line).unwrap();
            assert_eq!((window.from.to_string(), window.to.to_string()), (from.to_owned(), to.to_owned()), "{line:?}");
        }
    }

    #[test]
    fn malformed_windows_are_refused_with_exit_status_2() {
        for (line, part) in [
            (&["--date=2024-02-30"][..], "2024-02-30"),
            (&["--date=15.04.2025"], "--date"),
            (&["--date="], "--date"),
            (&["--date", " "], "--date"),
            (&["--days-back="], "--days-back"),
            (&["--days_back="], "--days-back"),
            (&["--days-back=0"], "--days-back"),
            (&["--days-back=-3"], "--days-back"),
            (&["--days-back=ten"], "`ten`"),
            (&["--days-back=99999999999999999999"], "--days-back"),
        ] {
            let error = window(line).unwrap_err();
            assert!(error.message.contains(part), "{line:?}: {error}");
            assert_eq!(error.code.exit_status(), 2);
        }
    }
}
