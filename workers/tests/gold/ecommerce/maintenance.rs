//! Upkeep and catalog.

use serde_json::json;

use super::*;

#[tokio::test]
async fn upkeep_leaves_every_row_where_it_is() {
    let world = small_world(&["1,7,10,2025-04-01"], &["1,1,1,1,2025-04-01"]).await;
    let lake = &world.lake;
    for n in 2..6 {
        deliver(lake, "orders", &format!("{n}.csv"), orders_csv(&[&format!("{n},{n},{n},2025-04-01")])).await;
        build_silver(lake).await;
        expect(&gold(lake, "customer-insights", "2025-04-01", &[]).await, "OK", 0);
    }
    let before = [rows(lake, "silver/orders", "order_id").await, rows(lake, "gold/customer_insights", "user_id").await];
    let result = run(lake, "ecommerce-maintenance", &[BUCKET]).await;
    expect(&result, "OK", 0);
    assert!(result.metrics["tables"].as_u64() >= Some(7), "{:?}", result.metrics);
    assert_eq!(result.metrics["files_vacuumed"], 0, "nothing is past its retention");
    assert_eq!(
        [rows(lake, "silver/orders", "order_id").await, rows(lake, "gold/customer_insights", "user_id").await],
        before
    );
    // Silver does not take a compaction of bronze for new data.
    expect(&silver(lake, "orders").await, "IDEMPOTENT_SKIP", 0);
}

#[tokio::test]
async fn the_catalog_gets_every_table_with_columns_comments_and_keys() {
    let world = small_world(&["1,7,10,2025-04-01"], &["1,1,1,1,2025-04-01"]).await;
    let lake = &world.lake;
    expect(&gold(lake, "daily-sales", "2025-04-01", &[]).await, "OK", 0);
    let result = run(lake, "ecommerce-catalog", &[BUCKET]).await;
    expect(&result, "OK", 0);
    assert_eq!(result.metrics["tables_registered"], 7);
    assert_eq!(result.warnings.iter().filter(|warning| warning.contains("no table gold/")).count(), 3);
    let tables = result.metrics["tables"].as_array().unwrap();
    let daily = tables.iter().find(|table| table["name"] == "daily_sales").unwrap();
    assert_eq!(daily["database"], "ecommerce_gold");
    assert_eq!(daily["columns"].as_array().unwrap().len(), 11, "{daily}");
    assert!(daily["columns"][0]["comment"].is_string(), "{daily}");
    let keys: Vec<&Json> = daily["partition_keys"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(keys, [&json!("year"), &json!("month")]);
}

#[tokio::test]
async fn a_lake_without_tables_is_said_and_no_failure() {
    let world = World::new().await;
    let result = run(&world.lake, "ecommerce-catalog", &[BUCKET]).await;
    expect(&result, "OK", 0);
    assert_eq!(result.metrics["tables_registered"], 0);
}
