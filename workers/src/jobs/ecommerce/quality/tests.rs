//! Every check made to warn or fail, by made-up counts and by made-up rows.

use serde_json::{Value as Json, json};

use super::super::gold::{CUSTOMER, DAILY, DEPARTMENT, GoldJob, PRODUCT};
use super::super::window::Window;
use super::*;
use crate::job::{Code, JobContext};
use crate::lake::Lake;

fn counts(value: Json) -> Counts {
    let Json::Object(map) = value else { panic!("counts are an object") };
    Counts(map)
}

fn outcome(checks: &[Check], name: &str) -> QualityStatus {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check `{name}`")).status
}

#[test]
fn input_checks_warn_above_their_share_and_fail_on_keys() {
    use QualityStatus::{Fail, Pass, Warn};
    let orders = |name: &str, count: u64| {
        let mut value = json!({ "orders": 1000 });
        value[name] = count.into();
        input::orders(&counts(value))
    };
    for (count, column, check, expected) in [
        (0, "orders_without_own_key", "key: silver.orders", Pass),
        (1, "orders_without_own_key", "key: silver.orders", Fail),
        (10, "null_users", "completeness: user_id", Pass),
        (11, "null_users", "completeness: user_id", Warn),
        (10, "null_amounts", "completeness: total_amount", Pass),
        (11, "null_amounts", "completeness: total_amount", Warn),
        (5, "amounts_not_positive", "business rule: total_amount above 0", Pass),
        (6, "amounts_not_positive", "business rule: total_amount above 0", Warn),
    ] {
        assert_eq!(outcome(&orders(column, count), check), expected, "{column} = {count}");
    }
    let items = |name: &str, count: u64| {
        let (mut items, mut products) = (json!({ "items": 1000 }), json!({}));
        match name.starts_with("unknown_products") || name.starts_with("products_") {
            true => products[name] = count.into(),
            false => items[name] = count.into(),
        }
        input::items(&counts(items), Some(&counts(products)))
    };
    for (count, column, check, expected) in [
        (1, "items_without_own_key", "key: silver.order_items", Fail),
        (1, "products_without_own_key", "key: silver.products", Fail),
        (10, "null_products", "completeness: product_id", Pass),
        (11, "null_products", "completeness: product_id", Warn),
        (1, "unknown_orders", "reference: known order and product", Pass),
        (2, "unknown_orders", "reference: known order and product", Warn),
        (2, "unknown_products", "reference: known order and product", Warn),
        (5, "null_flags", "business rule: reordered is set", Pass),
        (6, "null_flags", "business rule: reordered is set", Warn),
        (5, "misdated", "business rule: item and order have one date", Pass),
        (6, "misdated", "business rule: item and order have one date", Warn),
    ] {
        assert_eq!(outcome(&items(column, count), check), expected, "{column} = {count}");
    }
}

fn facts(job: &GoldJob) -> Facts<'_> {
    let day = |text: &str| text.parse().unwrap();
    Facts {
        job,
        window: Window { from: day("2025-04-01"), to: day("2025-04-15"), days: 15 },
        stored: true,
        validate_schema: true,
        run_seconds: 1.0,
        timeout_seconds: 3600.0,
        many_orders: false,
    }
}

#[test]
fn freshness_warns_of_old_silver_and_slow_runs() {
    for (newest, run_seconds, expected) in [
        (json!("2025-04-15"), 1.0, QualityStatus::Pass),
        (json!("2025-04-14"), 1.0, QualityStatus::Pass),
        (json!("2025-04-13"), 1.0, QualityStatus::Warn),
        (Json::Null, 1.0, QualityStatus::Warn),
        (json!("2025-04-15"), 3601.0, QualityStatus::Warn),
    ] {
        let facts = Facts { run_seconds, ..facts(&DAILY) };
        let check = input::freshness(&counts(json!({ "newest_date": newest })), &facts);
        assert_eq!(check.status, expected, "{newest} after {run_seconds} s");
    }
}

#[test]
fn trends_warn_beyond_their_bounds_and_want_enough_days() {
    use QualityStatus::{Pass, Warn};
    let calm = json!({
        "total_sales": 100.0, "order_count": 10, "days_before": 7, "mean_sales": 90.0, "deviation_sales": 5.0,
        "mean_orders": 10.0, "deviation_orders": 1.0, "sales_before": 90.0, "orders_before": 9,
    });
    for (change, check, expected) in [
        (json!({}), "trend: total_sales", Pass),
        (json!({ "total_sales": 106.0 }), "trend: total_sales", Warn),
        (json!({ "total_sales": 74.0 }), "trend: total_sales", Warn),
        (json!({ "total_sales": 106.0, "days_before": 6 }), "trend: total_sales", Pass),
        (json!({ "total_sales": 106.0, "deviation_sales": 0.0 }), "trend: total_sales", Pass),
        (json!({ "order_count": 14 }), "trend: order_count", Warn),
        (json!({ "order_count": 13 }), "trend: order_count", Pass),
        (json!({ "total_sales": 136.0 }), "trend: total_sales of the day before", Warn),
        (json!({ "total_sales": 135.0 }), "trend: total_sales of the day before", Pass),
        (json!({ "total_sales": 44.0 }), "trend: total_sales of the day before", Warn),
        (json!({ "order_count": 14 }), "trend: order_count of the day before", Warn),
        (json!({ "orders_before": null, "order_count": 14 }), "trend: order_count of the day before", Pass),
        (json!({ "order_count": null }), "trend: total_sales", Pass),
    ] {
        let mut value = calm.clone();
        for (name, new) in change.as_object().unwrap() {
            value[name] = new.clone();
        }
        assert_eq!(outcome(&trend::day(&counts(value)), check), expected, "{check}: {change}");
    }
    for (before, after, stored, expected) in
        [(10, 5, true, Pass), (10, 4, true, Warn), (10, 4, false, Pass), (0, 0, true, Pass)]
    {
        let check = trend::rows(&counts(json!({ "rows_before": before, "rows_after": after })), stored);
        assert_eq!(check.status, expected, "{before} → {after}");
    }
}

#[test]
fn a_report_takes_the_worst_outcome_and_the_schemas_code() {
    let date = "2025-04-15".parse().unwrap();
    let pass = || Check::none("a", 0.0);
    let warn = || Check::share("b", 2.0, 10.0, 0.1, crate::job::Severity::High);
    let fail = || Check::none("c", 1.0);
    let schema = || result::schema(&["date Date".to_owned()], &["date Text".to_owned()]);
    for (checks, status, code) in [
        (vec![pass()], "PASS", None),
        (vec![pass(), warn()], "WARN", None),
        (vec![fail(), warn()], "FAIL", Some(Code::DqFailed)),
        (vec![fail(), schema()], "FAIL", Some(Code::SchemaValidationFailed)),
    ] {
        let report = Report::new("daily_sales", date, checks);
        assert_eq!((report.status(), report.refusal().map(|(code, _)| code)), (status, code));
    }
}

/// A query over made-up rows: two orders of one day, two items, two products, and the result given.
async fn world(result: &str) -> (tempfile::TempDir, Query) {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    let query = Query::new(&JobContext::detached(lake, "run-1")).unwrap();
    let orders = "select * from (values (1, '1', 7, 30.0, date '2025-04-15'), (2, '2', 8, 10.5, date '2025-04-15')) \
                  as t(order_no, order_id, user_id, total_amount, date)";
    let items = "select t.*, cast(null as string) as stranger from (values ('a', 1, 1, true, false), ('b', 2, 2, false, false)) \
                 as t(id, order_no, product_id, reordered, is_misdated)";
    let products = "select * from (values (1), (2)) as t(product_id)";
    for (name, statement) in [
        ("orders", orders),
        ("order_window", orders),
        ("item_scope", items),
        ("products", products),
        ("order_sold", include_str!("../sql/gold/order_sold.sql")),
        ("result", result),
        ("stored", result),
    ] {
        query.view(name, statement, &[]).await.unwrap();
    }
    (place, query)
}

/// The checks of a result with these rows that fail, by name; the schema's is left out, since literals have their own types.
async fn failing(job: &GoldJob, columns: &str, rows: &str) -> Vec<String> {
    let (_place, query) = world(&format!("select * from (values {rows}) as t({columns})")).await;
    let facts = Facts { validate_schema: false, ..facts(job) };
    let parameters = [
        ("from", Value::from(facts.window.from)),
        ("to", Value::from(facts.window.to)),
        ("yesterday", Value::from(facts.window.to.pred_opt().unwrap())),
        ("days", Value::from(15_i64)),
    ];
    let input = count_input(&query, job, false, &parameters).await.unwrap();
    let report = judge(&query, &facts, input, &parameters).await.unwrap();
    let json = report.to_json();
    let checks = json["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["status"] == "FAIL");
    failed.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn wrong_daily_sales_fail_the_check_that_is_for_them() {
    let columns = "date, total_sales, order_count, avg_order_value, items_per_order, unique_customers";
    for (row, expected) in [
        ("(date '2025-04-15', 40.5, 2, 20.25, 1.0, 2)", vec![]),
        ("(date '2025-04-15', 40.52, 2, 20.26, 1.0, 2)", vec!["aggregation: total_sales"]),
        ("(date '2025-04-15', 40.5, 3, 13.5, 1.0, 2)", vec!["aggregation: order_count"]),
        ("(date '2025-04-15', 40.5, 2, 20.5, 1.0, 2)", vec!["consistency: avg_order_value"]),
        ("(date '2025-04-15', 40.5, 2, 20.25, 1.0, 3)", vec!["consistency: bounds"]),
        ("(date '2025-04-15', 40.5, 2, 20.25, -0.1, 2)", vec!["consistency: bounds"]),
        ("(date '2025-04-15', 40.5, 2, 20.25, 1.0, 2), (date '2025-04-15', 40.5, 2, 20.25, 1.0, 2)", vec!["key"]),
        ("(date '2025-04-14', 40.5, 2, 20.25, 1.0, 2)", vec!["aggregation: total_sales", "aggregation: order_count"]),
    ] {
        assert_eq!(failing(&DAILY, columns, row).await, expected, "{row}");
    }
}

#[tokio::test]
async fn wrong_products_fail_the_check_that_is_for_them() {
    let columns = "product_id, total_quantity, total_sales, reorder_rate";
    for (rows, expected) in [
        ("(1, 1, 30.0, 1.0), (2, 1, 10.5, 0.0)", vec![]),
        ("(1, 1, 30.0, 1.0), (2, 1, 10.6, 0.0)", vec!["aggregation: total_sales"]),
        ("(1, 1, 30.0, 1.1), (2, 1, 10.5, 0.0)", vec!["consistency: bounds"]),
        ("(1, 2, 30.0, 1.0), (2, 0, 10.5, 0.0)", vec!["consistency: bounds"]),
        ("(1, 1, 30.0, 1.0), (2, 2, 10.5, 0.0)", vec!["cross-metric: items"]),
        ("(1, 1, 30.0, 1.0), (1, 1, 10.5, 0.0)", vec!["key"]),
    ] {
        assert_eq!(failing(&PRODUCT, columns, rows).await, expected, "{rows}");
    }
}

#[tokio::test]
async fn wrong_departments_fail_the_check_that_is_for_them() {
    let columns = "department, total_sales, product_count, customer_count, order_count, avg_order_value";
    for (rows, expected) in [
        ("('A', 40.5, 2, 2, 2, 20.25)", vec![]),
        ("('A', 40.6, 2, 2, 2, 20.3)", vec!["aggregation: total_sales"]),
        ("('A', 40.5, 2, 2, 2, 20.5)", vec!["consistency: avg_order_value"]),
        ("('A', 40.5, 2, 3, 2, 20.25)", vec!["consistency: bounds"]),
        ("('A', 40.5, 3, 2, 2, 20.25)", vec!["cross-metric: products"]),
        ("('A', 30.0, 1, 1, 1, 30.0), ('A', 10.5, 1, 1, 1, 10.5)", vec!["key"]),
    ] {
        assert_eq!(failing(&DEPARTMENT, columns, rows).await, expected, "{rows}");
    }
}

#[tokio::test]
async fn wrong_customers_fail_the_check_that_is_for_them() {
    let columns = "user_id, total_spend, order_count, avg_order_value, days_since_last_order, customer_segment";
    for (rows, expected) in [
        ("(7, 30.0, 1, 30.0, 0, 'Lost'), (8, 10.5, 1, 10.5, 14, 'At Risk')", vec![]),
        ("(7, 30.0, 1, 30.0, 0, 'Lost'), (8, 10.6, 1, 10.6, 0, 'Lost')", vec!["aggregation: total_sales"]),
        ("(7, 40.5, 1, 40.5, 0, 'Lost')", vec!["aggregation: customers"]),
        ("(7, 30.0, 1, 31.0, 0, 'Lost'), (8, 10.5, 1, 10.5, 0, 'Lost')", vec!["consistency: avg_order_value"]),
        ("(7, 30.0, 1, 30.0, 15, 'Lost'), (8, 10.5, 1, 10.5, 0, 'Lost')", vec!["consistency: bounds"]),
        ("(7, 30.0, 1, 30.0, -1, 'Lost'), (8, 10.5, 1, 10.5, 0, 'Lost')", vec!["consistency: bounds"]),
        ("(7, 30.0, 1, 30.0, 0, 'Whales'), (8, 10.5, 1, 10.5, 0, 'Lost')", vec!["consistency: bounds"]),
        ("(7, 30.0, 1, 30.0, 0, 'Lost'), (7, 10.5, 1, 10.5, 0, 'Lost')", vec!["key"]),
    ] {
        assert_eq!(failing(&CUSTOMER, columns, rows).await, expected, "{rows}");
    }
}

#[tokio::test]
async fn a_result_with_other_columns_fails_the_schema_check() {
    let (_place, query) = world("select date '2025-04-15' as date, 'much' as total_sales").await;
    let check = schema(&query, &facts(&DAILY)).await.unwrap();
    assert_eq!(check.status, QualityStatus::Fail);
    let check = schema(&query, &Facts { validate_schema: false, ..facts(&DAILY) }).await.unwrap();
    assert_eq!(check.status, QualityStatus::Pass, "{check:?}");
}

#[test]
fn departments_far_from_the_days_warn() {
    let counts = |daily: f64| {
        counts(json!({ "rows": 1, "keys": 1, "total_sales": 100.0, "daily_sales": daily, "expected_sales": 100.0 }))
    };
    for (daily, expected) in [(100.5, QualityStatus::Pass), (102.0, QualityStatus::Warn)] {
        assert_eq!(outcome(&result::department_analytics(&counts(daily)), "cross-metric: daily sales"), expected);
    }
}

#[tokio::test]
async fn orders_are_told_apart_by_hashes_or_sorted_out_with_the_same_count() {
    let parameters = [("to", Value::from(facts(&DAILY).window.to))];
    for (id, expected) in [("'2'", 0.0), ("'1'", 1.0), ("null", 1.0)] {
        let (_place, query) = world("select 1 as nothing").await;
        let orders = format!(
            "select * from (values ('1', 7, 30.0, date '2025-04-15'), ({id}, 8, 10.5, date '2025-04-15')) \
             as t(order_id, user_id, total_amount, date)"
        );
        query.view("order_window", &orders, &[]).await.unwrap();
        for many_orders in [false, true] {
            let counts = super::orders(&query, many_orders, &parameters).await.unwrap();
            assert_eq!(
                (counts.get("orders"), counts.get("orders_without_own_key")),
                (2.0, expected),
                "{id}, {many_orders}"
            );
        }
    }
}
