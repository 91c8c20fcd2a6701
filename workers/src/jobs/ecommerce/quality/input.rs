//! Checks of what the window reads.

use chrono::{Days, NaiveDate};
use serde_json::json;

use super::check::Check;
use super::{Counts, Facts};
use crate::job::Severity;

/// Nulls: above one in a hundred.
const NULLS_MAX: f64 = 0.01;
/// References to nothing: above one in a thousand.
const UNKNOWN_MAX: f64 = 0.001;
/// Broken business rules: above one in two hundred.
const BROKEN_MAX: f64 = 0.005;

/// Keys, nulls and amounts of the orders.
pub(super) fn orders(counts: &Counts) -> Vec<Check> {
    let orders = counts.get("orders");
    vec![
        Check::none("key: silver.orders", counts.get("orders_without_own_key"))
            .because("orders of the window whose order_id is null or there twice"),
        Check::share("completeness: user_id", counts.get("null_users"), orders, NULLS_MAX, Severity::Medium),
        Check::share("completeness: total_amount", counts.get("null_amounts"), orders, NULLS_MAX, Severity::Medium),
        Check::share(
            "business rule: total_amount above 0",
            counts.get("amounts_not_positive"),
            orders,
            BROKEN_MAX,
            Severity::High,
        ),
    ]
}

/// Items whose order or, where the job knows products, product nobody knows. Source: pipelines.md 5.6.
pub(super) fn orphan_items(items: &Counts, products: Option<&Counts>) -> f64 {
    items.get("unknown_orders") + products.map_or(0.0, |products| products.get("unknown_products"))
}

/// Keys, nulls, references and rules of the items; `products` where the job knows them.
pub(super) fn items(counts: &Counts, products: Option<&Counts>) -> Vec<Check> {
    let items = counts.get("items");
    let unknown = orphan_items(counts, products);
    let mut checks = vec![
        Check::none("key: silver.order_items", counts.get("items_without_own_key"))
            .because("items of the window whose id is null or there twice"),
        Check::share("completeness: product_id", counts.get("null_products"), items, NULLS_MAX, Severity::Medium),
        Check::share("business rule: reordered is set", counts.get("null_flags"), items, BROKEN_MAX, Severity::High),
        Check::share(
            "business rule: item and order have one date",
            counts.get("misdated"),
            items,
            BROKEN_MAX,
            Severity::High,
        ),
    ];
    if let Some(products) = products {
        checks.push(
            Check::none("key: silver.products", products.get("products_without_own_key"))
                .because("products whose product_id is null or there twice"),
        );
    }
    let reference = Check::share("reference: known order and product", unknown, items, UNKNOWN_MAX, Severity::High);
    let details = format!("orphan_items: {}", reference.details);
    checks.push(reference.because(details));
    checks
}

/// How long the run took, and how old silver is.
pub(super) fn freshness(orders: &Counts, facts: &Facts<'_>) -> Check {
    let newest = orders.text("newest_date").and_then(|text| text.parse::<NaiveDate>().ok());
    let oldest_allowed = facts.window.to.checked_sub_days(Days::new(1)).unwrap_or(facts.window.to);
    let old = newest.is_none_or(|newest| newest < oldest_allowed);
    let slow = facts.run_seconds > facts.timeout_seconds;
    let newest = newest.map_or_else(|| "none".to_owned(), |date| date.to_string());
    Check::warning(
        "freshness",
        !old && !slow,
        json!(oldest_allowed.to_string()),
        json!(newest),
        json!(facts.timeout_seconds),
    )
    .because(match (old, slow) {
        (false, false) => String::new(),
        (true, false) => format!("the newest order in silver is of {newest}; alarm medium"),
        _ => format!(
            "the run has taken {:.0} s, more than ECOM_PROCESSING_TIMEOUT = {} s; alarm medium",
            facts.run_seconds, facts.timeout_seconds
        ),
    })
    .alarming(Severity::Medium)
}
