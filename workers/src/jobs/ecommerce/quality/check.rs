//! One check and its outcome.

use serde_json::{Value as Json, json};

use crate::job::{QualityStatus, Severity};

/// A check: what was expected, what was found, how far they may be apart.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// Its name: group and what it looks at.
    pub name: &'static str,
    /// Its outcome.
    pub status: QualityStatus,
    /// What should be.
    pub expected: Json,
    /// What is.
    pub actual: Json,
    /// How far it may be off.
    pub tolerance: Json,
    /// For people; names the severity of the alarm where there is one.
    pub details: String,
    /// The alarm of a check that warns.
    pub severity: Severity,
}

impl Check {
    fn new(name: &'static str, status: QualityStatus, expected: Json, actual: Json, tolerance: Json) -> Check {
        let severity = Severity::Low;
        Check { name, status, expected, actual, tolerance, details: String::new(), severity }
    }

    /// With words for people.
    #[must_use]
    pub fn because(mut self, details: impl Into<String>) -> Check {
        self.details = details.into();
        self
    }

    /// With an alarm of this severity if it warns.
    #[must_use]
    pub fn alarming(self, severity: Severity) -> Check {
        Check { severity, ..self }
    }

    /// One that could not be made, and why.
    pub fn skipped(name: &'static str, why: &str) -> Check {
        Check::new(name, QualityStatus::Pass, Json::Null, Json::Null, Json::Null).because(format!("not checked: {why}"))
    }

    /// Two numbers that must not differ by more than `tolerance`, else FAIL.
    pub fn equal(name: &'static str, expected: f64, actual: f64, tolerance: f64) -> Check {
        let apart = (expected - actual).abs();
        // A difference that is no number is a difference.
        let status = if apart <= tolerance { QualityStatus::Pass } else { QualityStatus::Fail };
        Check::new(name, status, json!(expected), json!(actual), json!(tolerance))
    }

    /// A count that must be 0, else FAIL.
    pub fn none(name: &'static str, count: f64) -> Check {
        Check::equal(name, 0.0, count, 0.0)
    }

    /// The share `part` of `whole`, which must not be above `limit`, else WARN.
    pub fn share(name: &'static str, part: f64, whole: f64, limit: f64, severity: Severity) -> Check {
        let share = if whole > 0.0 { part / whole } else { 0.0 };
        let status = if share <= limit { QualityStatus::Pass } else { QualityStatus::Warn };
        let alarm = if status == QualityStatus::Warn { format!("; alarm {}", severity.name()) } else { String::new() };
        Check::new(name, status, json!(0.0), json!(share), json!(limit))
            .because(format!("{part} of {whole} ({:.3} %){alarm}", share * 100.0))
            .alarming(severity)
    }

    /// A measure that warns, with a low alarm, when it is not `good`.
    pub fn warning(name: &'static str, good: bool, expected: Json, actual: Json, tolerance: Json) -> Check {
        let status = if good { QualityStatus::Pass } else { QualityStatus::Warn };
        Check::new(name, status, expected, actual, tolerance)
    }

    /// What must be so, else FAIL.
    pub fn must(name: &'static str, good: bool, expected: Json, actual: Json) -> Check {
        let status = if good { QualityStatus::Pass } else { QualityStatus::Fail };
        Check::new(name, status, expected, actual, Json::Null)
    }
}
