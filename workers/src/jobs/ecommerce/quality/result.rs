//! Checks of what was computed.

use serde_json::json;

use super::Counts;
use super::check::Check;
use crate::job::Severity;

/// How far a sum of rounded rows may be off: half a cent each, and a cent.
fn rounding(rows: f64) -> f64 {
    0.005 * rows + 0.01
}

fn key(counts: &Counts) -> Check {
    Check::equal("key", counts.get("rows"), counts.get("keys"), 0.0).because("rows and distinct keys that are not null")
}

fn averages(counts: &Counts) -> Check {
    Check::none("consistency: avg_order_value", counts.get("wrong_averages"))
        .because("rows whose average is not total by count, within 0.01")
}

/// Names, order and types.
pub(super) fn schema(expected: &[String], actual: &[String]) -> Check {
    Check::must("schema", expected == actual, json!(expected), json!(actual)).because(if expected == actual {
        ""
    } else {
        "names, order or types of the columns are not those of the table; alarm critical"
    })
}

/// The rules of `daily_sales`.
pub(super) fn daily_sales(counts: &Counts) -> Vec<Check> {
    let far = counts.get("totals_off_by_a_percent");
    let alarm = if far > 0.0 { format!("; {far} off by more than 1 %: alarm high") } else { String::new() };
    vec![
        Check::none("aggregation: total_sales", counts.get("wrong_totals")).because(format!(
            "dates off by more than 0.01; sums {} and, recomputed, {}{alarm}",
            counts.get("total_sales"),
            counts.get("expected_sales")
        )),
        Check::none("aggregation: order_count", counts.get("wrong_counts")).because(format!(
            "dates with another count; {} orders and, recounted, {}",
            counts.get("order_count"),
            counts.get("expected_orders")
        )),
        averages(counts),
        Check::none("consistency: bounds", counts.get("out_of_bounds"))
            .because("rows with order_count below 1, more customers than orders, or items_per_order below 0"),
        key(counts),
    ]
}

/// The rules of `product_performance`.
pub(super) fn product_performance(counts: &Counts) -> Vec<Check> {
    vec![
        sales(counts, "sum over the products and of orders with a known item"),
        Check::none("consistency: bounds", counts.get("out_of_bounds"))
            .because("rows with total_quantity below 1 or reorder_rate outside 0 to 1"),
        Check::equal("cross-metric: items", counts.get("expected_quantity"), counts.get("total_quantity"), 0.0)
            .because("items with a known product, and the products' quantities"),
        key(counts),
    ]
}

/// The rules of `department_analytics`.
pub(super) fn department_analytics(counts: &Counts) -> Vec<Check> {
    let (daily, departments) = (counts.get("daily_sales"), counts.get("total_sales"));
    let apart = (daily - departments).abs();
    let share = if daily.abs() > 0.0 { apart / daily.abs() } else { apart };
    vec![
        sales(counts, "sum over the departments and of orders with a known item"),
        averages(counts),
        Check::none("consistency: bounds", counts.get("out_of_bounds"))
            .because("rows with a count below 1 or more customers than orders"),
        Check::equal("cross-metric: products", counts.get("expected_products"), counts.get("product_count"), 0.0)
            .because("products sold in the window (the rows of product_performance), and the departments' counts"),
        Check::warning("cross-metric: daily sales", share <= 0.01, json!(daily), json!(departments), json!(0.01))
            .because(format!("departments and days are {:.3} % apart", share * 100.0))
            .alarming(Severity::High),
        key(counts),
    ]
}

/// The rules of `customer_insights`.
pub(super) fn customer_insights(counts: &Counts) -> Vec<Check> {
    vec![
        sales(counts, "sum over the customers and of their orders"),
        Check::equal("aggregation: customers", counts.get("expected_rows"), counts.get("rows"), 0.0)
            .because("distinct users in the window, and rows"),
        averages(counts),
        Check::none("consistency: bounds", counts.get("out_of_bounds")).because(
            "rows with order_count below 1, days_since_last_order outside the window, or a segment nobody knows",
        ),
        key(counts),
    ]
}

fn sales(counts: &Counts, what: &str) -> Check {
    let rows = counts.get("rows");
    Check::equal("aggregation: total_sales", counts.get("expected_sales"), counts.get("total_sales"), rounding(rows))
        .because(what)
}
