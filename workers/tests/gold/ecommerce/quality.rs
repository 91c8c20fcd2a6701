//! Checks that made-up input makes warn or fail, through whole runs.

use super::*;

const DATE: &str = "2025-04-15";

/// 100 orders of a day and as many items.
fn busy(date: &str) -> (Vec<String>, Vec<String>) {
    let orders = (1..=100).map(|n| format!("{n},{n},10,{date}")).collect();
    let items = (1..=100).map(|n| format!("{n},{n},{},1,{date}", n % 2 + 1)).collect();
    (orders, items)
}

fn texts(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn made_up_input_makes_each_input_check_warn() {
    for (change_order, change_item, job, name) in [
        ("1,,10,2025-04-15", "", "customer-insights", "completeness: user_id"),
        ("1,1,,2025-04-15", "", "daily-sales", "completeness: total_amount"),
        ("", "1,1,1,,2025-04-15", "daily-sales", "business rule: reordered is set"),
        ("", "1,1,1,1,2025-04-14", "product-performance", "business rule: item and order have one date"),
    ] {
        let (mut orders, mut items) = busy(DATE);
        // Two of a hundred are above every limit.
        for n in 1..=2 {
            let of = |line: &str| line.replacen('1', &n.to_string(), 1);
            if !change_order.is_empty() {
                orders[n - 1] = of(change_order);
            }
            if !change_item.is_empty() {
                items[n - 1] = of(change_item).replacen(",1,", &format!(",{n},"), 1);
            }
        }
        let world = small_world(&texts(&orders), &texts(&items)).await;
        let result = gold(&world.lake, job, DATE, &[]).await;
        expect(&result, "OK", 0);
        assert_eq!(check(&result, name), "WARN", "{name}");
        assert_eq!(result.metrics["dq_status"], "WARN");
    }
}

#[tokio::test]
async fn a_good_day_passes_and_trends_warn_of_a_jump() {
    let (mut orders, mut items) = (Vec::new(), Vec::new());
    for day in 1..=9 {
        let date = format!("2025-04-{day:02}");
        let amount = if day == 9 { 500 } else { 100 + day };
        orders.push(format!("{day},{day},{amount},{date}"));
        items.push(format!("{day},{day},1,1,{date}"));
    }
    let world = small_world(&texts(&orders), &texts(&items)).await;
    let calm = gold(&world.lake, "daily-sales", "2025-04-08", &[]).await;
    expect(&calm, "OK", 0);
    assert_eq!(calm.metrics["dq_status"], "PASS", "{:#?}", calm.metrics["quality"]);
    let jump = gold(&world.lake, "daily-sales", "2025-04-09", &["--days-back=1"]).await;
    expect(&jump, "OK", 0);
    assert_eq!(check(&jump, "trend: total_sales"), "WARN", "against the stored days");
    assert_eq!(check(&jump, "trend: total_sales of the day before"), "WARN");
    assert_eq!(check(&jump, "trend: order_count"), "PASS");
}

#[tokio::test]
async fn old_silver_slow_runs_and_vanishing_rows_warn() {
    let (orders, items) = busy(DATE);
    let world = small_world(&texts(&orders), &texts(&items)).await;
    let lake = &world.lake;
    assert_eq!(check(&gold(lake, "customer-insights", "2025-04-16", &[]).await, "freshness"), "PASS");
    assert_eq!(check(&gold(lake, "customer-insights", "2025-04-17", &[]).await, "freshness"), "WARN");
    let slow = gold(lake, "customer-insights", DATE, &["--processing-timeout=0"]).await;
    assert_eq!(check(&slow, "freshness"), "WARN");
    // One customer where there were a hundred.
    deliver(lake, "orders", "b.csv", orders_csv(&["500,7,10,2025-04-20"])).await;
    build_silver(lake).await;
    let fewer = gold(lake, "customer-insights", "2025-04-20", &["--lookback-days=1"]).await;
    expect(&fewer, "OK", 0);
    assert_eq!(check(&fewer, "trend: rows"), "WARN");
}

#[tokio::test]
async fn orphans_are_left_out_counted_and_warned_of() {
    // Silver refuses orphans; a product that is withdrawn later makes some.
    let (orders, items) = busy(DATE);
    let world = small_world(&texts(&orders), &texts(&items)).await;
    let lake = &world.lake;
    expect(&gold(lake, "product-performance", DATE, &[]).await, "OK", 0);
    withdraw_product_2(lake).await;
    let result = gold(lake, "product-performance", DATE, &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(check(&result, "reference: known order and product"), "WARN");
    let alarms = result.metrics["alarms"].as_array().unwrap();
    let loud = alarms.iter().find(|alarm| alarm["severity"] == "high").expect("a warning of that severity is an alarm");
    let text = loud["text"].as_str().unwrap();
    assert!(text.starts_with("reference: known order and product of product_performance: expected 0"), "{text}");
    assert!(result.warnings.iter().any(|warning| warning == text), "{:?}", result.warnings);
    assert_eq!(result.metrics["orphan_items"], 50);
    assert_eq!(rows(lake, "gold/product_performance", "product_id").await.len(), 1);
    let result = gold(lake, "department-analytics", DATE, &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(check(&result, "cross-metric: daily sales"), "WARN", "half of the orders have no known item");
    let result = gold(lake, "daily-sales", DATE, &[]).await;
    assert_eq!(
        rows(lake, "gold/daily_sales", "date").await[0]["total_sales"],
        1000.0,
        "their orders count: {}",
        result.message
    );
}

async fn withdraw_product_2(lake: &Lake) {
    use workers::job::JobContext;
    use workers::lake::delta::{Delta, Write};
    use workers::query::Query;

    let mut products = Delta::open(&folder(lake, "silver/products")).await.unwrap().unwrap();
    let query = Query::new(&JobContext::detached(lake.clone(), "run-0")).unwrap();
    query.delta("products", &products).await.unwrap();
    let columns = products.columns();
    let kept = query.stream("select * from products where product_id <> 2", &[], &columns).await.unwrap();
    products.write(kept, Write::ReplaceTable, None, "run-0").await.unwrap();
}

#[tokio::test]
async fn a_failing_check_blocks_publishing_and_says_which() {
    let (orders, items) = busy(DATE);
    let world = small_world(&texts(&orders), &texts(&items)).await;
    let lake = &world.lake;
    expect(&gold(lake, "daily-sales", DATE, &[]).await, "OK", 0);
    let before = rows(lake, "gold/daily_sales", "date").await;
    double_orders(lake).await;
    let result = gold(lake, "daily-sales", DATE, &[]).await;
    expect(&result, "DQ_FAILED", 1);
    assert!(result.message.contains("key: silver.orders"), "{}", result.message);
    assert!(result.message.contains("such as `1` 2 times, `10` 2 times, `100` 2 times; "), "{}", result.message);
    assert_eq!(check(&result, "key: silver.orders"), "FAIL");
    assert_eq!(rows(lake, "gold/daily_sales", "date").await, before, "nothing is published");
    let name = format!("{}.json", result.run_id);
    let dq: Json = serde_json::from_slice(&folder(lake, "gold/daily_sales/_dq").get(&name).await.unwrap()).unwrap();
    assert_eq!(dq["status"], "FAIL");
    let failed: Json =
        serde_json::from_slice(&folder(lake, "silver/failed/daily_sales").get(&name).await.unwrap()).unwrap();
    assert!(failed["error_message"].as_str().unwrap().starts_with("DQ_FAILED"), "{failed}");
}

/// Somebody appends what is there once more.
async fn double_orders(lake: &Lake) {
    use workers::job::JobContext;
    use workers::lake::delta::{Delta, Write};
    use workers::query::Query;

    let mut orders = Delta::open(&folder(lake, "silver/orders")).await.unwrap().unwrap();
    let query = Query::new(&JobContext::detached(lake.clone(), "run-0")).unwrap();
    query.delta("orders", &orders).await.unwrap();
    let columns = orders.columns();
    let again = query.stream("select * from orders", &[], &columns).await.unwrap();
    orders.write(again, Write::Append, None, "run-0").await.unwrap();
}

#[tokio::test]
async fn a_gold_table_of_other_columns_is_left_alone() {
    use workers::lake::delta::Delta;
    use workers::query::{Kind, column};

    let (orders, items) = busy(DATE);
    let world = small_world(&texts(&orders), &texts(&items)).await;
    let lake = &world.lake;
    Delta::create(&folder(lake, "gold/customer_insights"), &[column("user_id", Kind::Text)], &[], "x").await.unwrap();
    let result = gold(lake, "customer-insights", DATE, &[]).await;
    expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
}
