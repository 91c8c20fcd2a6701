//! Silver's quality rules on the rows of a batch: reported, never blocking.
//!
//! Source: pipelines.md 4.6, "Silver quality rules".

use serde_json::{Map, Value, json};

use crate::job::{Code, JobError, QualityCheck, QualityStatus};
use crate::query::{Query, Value as Literal};

/// A rule on a column: how many rows break it.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityRow {
    /// The column.
    pub column: String,
    /// The rule: `null`, `format`, `not_positive`, …
    pub check: String,
    /// Rows that break it.
    pub count: u64,
    /// Of all rows; 0 of none.
    pub percent: f64,
    /// `pass` or `fail`.
    pub status: String,
}

impl QualityRow {
    /// As a row of the report: `{column, check, <check>_count, <check>_percent, status}`.
    ///
    /// Source: pipelines.md 4.6.
    pub fn json(&self) -> Value {
        let QualityRow { column, check, count, percent, status } = self;
        let mut row = json!({ "column": column, "check": check, "status": status });
        row[format!("{check}_count")] = json!(count);
        row[format!("{check}_percent")] = json!(percent);
        row
    }

    /// As a result of the job. A broken rule is a warning: these rules report only.
    pub fn check(&self) -> QualityCheck {
        QualityCheck {
            table: "silver".to_owned(),
            check: format!("{} {}", self.column, self.check),
            status: if self.status == "pass" { QualityStatus::Pass } else { QualityStatus::Warn },
            expected: json!(0),
            actual: json!(self.count),
            tolerance: json!(0),
            details: format!("{} row(s), {:.2} %", self.count, self.percent),
        }
    }
}

/// Applies the rules to the table `source`.
///
/// # Errors
/// `UNEXPECTED_ERROR` of the engine.
pub async fn run(query: &Query, threshold: f64) -> Result<Vec<QualityRow>, JobError> {
    let parameters = [("threshold", Literal::from(threshold))];
    let mut rows = query.json(include_str!("../sql/quality.sql"), &parameters).await?;
    let found = rows.pop().ok_or_else(|| JobError::new(Code::UnexpectedError, "the rules of silver gave no row"))?;
    Ok(judge(&found))
}

fn judge(found: &Map<String, Value>) -> Vec<QualityRow> {
    let total = found.get("total").and_then(Value::as_u64).unwrap_or_default();
    let rule = |(name, count): (&String, &Value)| {
        let (column, check) = name.split_once("__")?;
        let count = count.as_u64()?;
        // No rows break no rule.
        let percent = if total == 0 { 0.0 } else { count as f64 / total as f64 * 100.0 };
        let status = if count == 0 { "pass" } else { "fail" };
        Some(QualityRow {
            column: column.to_owned(),
            check: check.to_owned(),
            count,
            percent,
            status: status.to_owned(),
        })
    };
    found.iter().filter_map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_rules_with_their_share() {
        let found = json!({ "total": 8, "amount__null": 2, "currency__format": 0 });
        let rows = judge(found.as_object().unwrap());
        let told: Vec<(&str, &str, u64, f64, &str)> =
            rows.iter().map(|r| (r.column.as_str(), r.check.as_str(), r.count, r.percent, r.status.as_str())).collect();
        assert_eq!(told, [("amount", "null", 2, 25.0, "fail"), ("currency", "format", 0, 0.0, "pass")]);
        assert_eq!(
            rows[0].json(),
            json!({ "column": "amount", "check": "null", "null_count": 2, "null_percent": 25.0, "status": "fail" })
        );
        let nothing = json!({ "total": 0, "amount__null": 0 });
        assert_eq!(judge(nothing.as_object().unwrap())[0].status, "pass", "no rows break no rule");
    }
}
