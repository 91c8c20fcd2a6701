//! The worked figures of the development data, to the cent.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const DATE: &str = "2025-04-15";

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn the_development_data_give_the_worked_figures_and_a_rerun_the_same_rows() {
    let world = World::new().await;
    let lake = &world.lake;
    deliver_development_data(lake).await;
    build_silver(lake).await;
    for (table, key, rows_expected) in
        [("products", "product_id", 1000), ("orders", "order_id", 7500), ("order_items", "id", 40803)]
    {
        assert_eq!(rows(lake, &format!("silver/{table}"), key).await.len(), rows_expected, "{table}");
        assert!(names(lake, &format!("raw/{table}")).await.is_empty(), "all of {table} is taken in");
    }
    let jobs = ["daily-sales", "product-performance", "department-analytics", "customer-insights"];
    for job in jobs {
        let result = gold(lake, job, DATE, &[]).await;
        expect(&result, "OK", 0);
        assert_eq!(result.metrics["dq_status"], "PASS", "{job}: {:#?}", result.metrics["quality"]);
    }
    let first = all(lake).await;
    daily_sales(&first[0]);
    product_performance(&first[1]);
    department_analytics(&first[2]);
    customer_insights(&first[3]);
    for job in jobs {
        expect(&gold(lake, job, DATE, &[]).await, "OK", 0);
    }
    assert_eq!(all(lake).await, first, "the same input makes the same rows");
    for table in TABLES {
        expect(&bronze(lake, table).await, "NO_RAW_DATA", 0);
        expect(&silver(lake, table).await, "IDEMPOTENT_SKIP", 0);
    }
}

async fn all(lake: &Lake) -> [Vec<Row>; 4] {
    [
        rows(lake, "gold/daily_sales", "date").await,
        rows(lake, "gold/product_performance", "product_id").await,
        rows(lake, "gold/department_analytics", "department").await,
        rows(lake, "gold/customer_insights", "user_id").await,
    ]
}

fn sum(rows: &[Row], column: &str) -> f64 {
    let cents: f64 = rows.iter().map(|row| (row[column].as_f64().unwrap() * 100.0).round()).sum();
    cents / 100.0
}

fn daily_sales(rows: &[Row]) {
    assert_eq!(rows.len(), 15);
    assert_eq!(sum(rows, "total_sales"), 1_945_810.41);
    assert_eq!(sum(rows, "order_count"), 7500.0);
    for (date, total, orders, average, items, customers) in [
        ("2025-04-01", 132_204.46, 500, 264.41, 5.54, 487),
        ("2025-04-04", 120_557.91, 500, 241.12, 5.34, 484),
        ("2025-04-15", 129_106.39, 500, 258.21, 5.36, 490),
    ] {
        let expected = json!({
            "date": date, "total_sales": total, "order_count": orders, "avg_order_value": average,
            "items_per_order": items, "unique_customers": customers,
            "silver_source_tables": "silver.orders,silver.order_items", "layer": "gold", "year": "2025", "month": "04",
        });
        assert_eq!(json!(row(rows, "date", date)), expected);
    }
}

fn product_performance(rows: &[Row]) {
    assert_eq!(rows.len(), 1000);
    assert_eq!(sum(rows, "total_quantity"), 40_803.0);
    for (product, quantity, sales, reorders, days) in [(1, 37, 1807.85, 0.5676, 15.9), (4, 49, 2144.61, 0.5306, 14.9)] {
        let row = row(rows, "product_id", product);
        let found =
            json!([row["total_quantity"], row["total_sales"], row["reorder_rate"], row["avg_days_between_orders"]]);
        assert_eq!(found, json!([quantity, sales, reorders, days]), "product {product}");
        assert_eq!(row["silver_source_tables"], "silver.products,silver.orders,silver.order_items");
    }
}

fn department_analytics(rows: &[Row]) {
    assert_eq!(rows.len(), 6);
    for (department, sales, products, customers, orders, average) in [
        ("Books", 323_720.11, 166, 3421, 4305, 75.20),
        ("Clothing", 323_769.62, 169, 3382, 4319, 74.96),
        ("Electronics", 291_999.63, 149, 3213, 4036, 72.35),
        ("Home", 356_123.15, 184, 3579, 4562, 78.06),
        ("Sports", 341_305.56, 174, 3519, 4458, 76.56),
        ("Toys", 308_892.34, 158, 3368, 4189, 73.74),
    ] {
        let row = row(rows, "department", department);
        let found = json!([
            row["department_id"],
            row["total_sales"],
            row["product_count"],
            row["customer_count"],
            row["order_count"],
            row["avg_order_value"]
        ]);
        assert_eq!(found, json!([null, sales, products, customers, orders, average]), "{department}");
    }
}

fn customer_insights(rows: &[Row]) {
    assert_eq!(rows.len(), 5063);
    assert_eq!(sum(rows, "total_spend"), 1_945_810.41);
    let mut segments: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        *segments.entry(row["customer_segment"].as_str().unwrap()).or_default() += 1;
    }
    let expected = BTreeMap::from([
        ("Champions", 902),
        ("Loyal Customers", 1233),
        ("Potential Loyalists", 1628),
        ("At Risk", 962),
        ("Needs Attention", 246),
        ("Lost", 92),
    ]);
    assert_eq!(segments, expected);
    for (user, segment) in [(1001, "At Risk"), (9999, "Loyal Customers"), (9966, "Champions")] {
        assert_eq!(row(rows, "user_id", user)["customer_segment"], segment, "user {user}");
    }
}
