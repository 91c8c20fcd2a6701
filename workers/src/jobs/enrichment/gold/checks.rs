//! The checks of gold before it is published: a violation blocks the batch.
//!
//! Source: pipelines.md 4.6, "Gold checks".

use serde_json::{Map, Value, json};

use crate::job::{Code, JobError, QualityCheck, QualityStatus};
use crate::query::{Query, Value as Literal};

/// How far the sum of spend may be from the sum of amounts, per date. Source: pipelines.md 4.6.
const SPEND_TOLERANCE: f64 = 0.01;

/// Looks at the results `gold_spend`, `gold_usage`, `gold_risk` beside `latest`.
///
/// # Errors
/// `UNEXPECTED_ERROR` of the engine.
pub async fn run(query: &Query, parameters: &[(&str, Literal)]) -> Result<Vec<QualityCheck>, JobError> {
    let tolerance = [("tolerance", Literal::from(SPEND_TOLERANCE))];
    let parameters: Vec<(&str, Literal)> = parameters.iter().cloned().chain(tolerance).collect();
    let mut rows = query.json(include_str!("../sql/checks.sql"), &parameters).await?;
    let found = rows.pop().ok_or_else(|| JobError::new(Code::UnexpectedError, "the checks of gold gave no row"))?;
    Ok(judge(&found))
}

fn judge(found: &Map<String, Value>) -> Vec<QualityCheck> {
    let value = |name: &str| found.get(name).cloned().unwrap_or_default();
    let none = |name: &str| value(name) == json!(0);
    let first = |name: &str| value(name).as_str().map_or_else(String::new, |date| format!(", the first {date}"));
    let mut checks = Vec::new();
    let mut check =
        |table: &str, name: &str, ok: bool, expected: Value, actual: Value, tolerance: Value, why: String| {
            checks.push(QualityCheck {
                table: table.to_owned(),
                check: name.to_owned(),
                status: if ok { QualityStatus::Pass } else { QualityStatus::Fail },
                expected,
                actual,
                tolerance,
                details: why,
            });
        };
    for (table, short) in
        [("user_spend_summary", "spend"), ("product_usage_metrics", "usage"), ("high_risk_txns", "risk")]
    {
        let (keys, dates) = (format!("{short}_keys"), format!("{short}_dates_absent"));
        let why = format!("{} key(s) occur more than once{}", value(&keys), first(&format!("{short}_keys_first")));
        check(table, "unique key", none(&keys), json!(0), value(&keys), json!(0), why);
        let why = format!("{} date(s) of silver are absent{}", value(&dates), first(&format!("{dates}_first")));
        check(table, "every silver date", none(&dates), json!(0), value(&dates), json!(0), why);
    }
    let apart = value("spend_dates_apart");
    let why = format!("the sums of {apart} date(s) differ{}", first("spend_dates_apart_first"));
    let (amount, spend) = (value("amount_total"), value("spend_total"));
    check("user_spend_summary", "sum of amounts", apart == json!(0), amount, spend, json!(SPEND_TOLERANCE), why);
    let (expected, actual) = (value("flagged_expected"), value("flagged_actual"));
    let why = format!("{actual} transactions are flagged, {expected} should be");
    check("high_risk_txns", "flags recomputed", expected == actual, expected, actual, json!(0), why);
    checks
}

/// The violated checks in one message; `None` if all passed.
pub fn violations(checks: &[QualityCheck]) -> Option<String> {
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| check.status == QualityStatus::Fail)
        .map(|check| format!("{}: {} ({})", check.table, check.check, check.details))
        .collect();
    (!failed.is_empty()).then(|| format!("gold is not published, {}; repair these rows of silver", failed.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_violation_is_named_with_its_table() {
        let sound = json!({
            "spend_keys": 0, "usage_keys": 0, "risk_keys": 0, "amount_total": 7.5, "spend_total": 7.5,
            "spend_dates_apart": 0, "flagged_expected": 2, "flagged_actual": 2, "spend_dates_absent": 0,
            "usage_dates_absent": 0, "risk_dates_absent": 0, "spend_dates_apart_first": "2025-06-11",
        });
        assert_eq!(violations(&judge(sound.as_object().unwrap())), None);
        for (field, wrong, said) in [
            ("spend_keys", json!(1), "user_spend_summary: unique key (1 key(s)"),
            ("usage_dates_absent", json!(2), "product_usage_metrics: every silver date (2 date(s)"),
            (
                "spend_dates_apart",
                json!(1),
                "user_spend_summary: sum of amounts (the sums of 1 date(s) differ, the first 2025-06-11)",
            ),
            ("flagged_actual", json!(3), "high_risk_txns: flags recomputed (3 transactions are flagged, 2 should be)"),
            ("risk_keys", Value::Null, "high_risk_txns: unique key"),
        ] {
            let mut found = sound.as_object().unwrap().clone();
            found.insert(field.to_owned(), wrong);
            let message = violations(&judge(&found)).expect(field);
            assert!(message.contains(said), "{message}");
        }
    }
}
