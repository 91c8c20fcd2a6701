//! Results of quality checks, as every job reports them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum QualityStatus {
    /// As it should be.
    Pass,
    /// Published, but somebody should look.
    Warn,
    /// Not published.
    Fail,
}

/// How loud an alarm is: somebody should look at the data although the job went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// When there is time.
    Low,
    /// Today.
    Medium,
    /// Now.
    High,
}

impl Severity {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// One check of one table; the list of them is the metric `quality` of a job's result.
///
/// Source: pipelines.md 5.6.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityCheck {
    /// The table.
    pub table: String,
    /// The check's name.
    pub check: String,
    /// What it found.
    pub status: QualityStatus,
    /// What was expected.
    pub expected: Value,
    /// What was found.
    pub actual: Value,
    /// How far apart they may be; null where that makes no sense.
    pub tolerance: Value,
    /// More, for people; may be empty.
    pub details: String,
}
