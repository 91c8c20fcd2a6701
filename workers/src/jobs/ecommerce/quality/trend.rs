//! Checks against what was stored before. They warn; numbers may change for good reasons.

use serde_json::json;

use super::Counts;
use super::check::Check;

/// Days the mean and deviation are of, at least.
const DAYS_MIN: f64 = 7.0;
/// Deviations from the mean.
const Z_MAX: f64 = 3.0;
/// Change against the day before.
const CHANGE_MAX: f64 = 0.5;
/// Rows beside those of the version before.
const ROWS_MIN: f64 = 0.5;

/// The day of the run against the 28 stored days before it, and against the day before.
pub(super) fn day(counts: &Counts) -> Vec<Check> {
    if counts.is_null("order_count") {
        let why = "the day of the run has no orders";
        return vec![
            Check::skipped("trend: total_sales", why),
            Check::skipped("trend: order_count", why),
            Check::skipped("trend: total_sales of the day before", why),
            Check::skipped("trend: order_count of the day before", why),
        ];
    }
    vec![
        deviation("trend: total_sales", counts, "total_sales", "mean_sales", "deviation_sales"),
        deviation("trend: order_count", counts, "order_count", "mean_orders", "deviation_orders"),
        change("trend: total_sales of the day before", counts, "total_sales", "sales_before"),
        change("trend: order_count of the day before", counts, "order_count", "orders_before"),
    ]
}

fn deviation(name: &'static str, counts: &Counts, value: &str, mean: &str, deviation: &str) -> Check {
    let (days, value) = (counts.get("days_before"), counts.get(value));
    let (mean, deviation) = (counts.get(mean), counts.get(deviation));
    if days < DAYS_MIN {
        return Check::skipped(name, &format!("{days} days are stored before, {DAYS_MIN} are needed"));
    }
    if deviation <= 0.0 {
        return Check::skipped(name, "the days before do not differ");
    }
    let z = (value - mean) / deviation;
    Check::warning(name, z.abs() <= Z_MAX, json!(mean), json!(value), json!(Z_MAX))
        .because(format!("{z:.2} deviations from the mean of {days} days"))
}

fn change(name: &'static str, counts: &Counts, value: &str, before: &str) -> Check {
    let (value, before) = (counts.get(value), counts.get(before));
    if before <= 0.0 {
        return Check::skipped(name, "the day before is not stored");
    }
    let change = (value - before) / before;
    Check::warning(name, change.abs() <= CHANGE_MAX, json!(before), json!(value), json!(CHANGE_MAX))
        .because(format!("{:+.1} %", change * 100.0))
}

/// The rows of the table beside those of its version before.
pub(super) fn rows(counts: &Counts, stored: bool) -> Check {
    let (before, after) = (counts.get("rows_before"), counts.get("rows_after"));
    if !stored || before <= 0.0 {
        return Check::skipped("trend: rows", "the table has no rows yet");
    }
    Check::warning("trend: rows", after >= ROWS_MIN * before, json!(before), json!(after), json!(ROWS_MIN))
        .because(format!("{:.1} % of the version before", 100.0 * after / before))
}
