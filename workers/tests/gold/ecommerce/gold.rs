//! Windows, replacement, records of runs, and the cases of pipelines.md 6.2, column 5.

use serde_json::json;
use workers::lake::PartitionLock;

use super::*;

const ORDERS: [&str; 5] =
    ["1,7,10,2025-03-30", "2,7,20,2025-03-31", "3,8,30,2025-04-01", "4,9,40.01,2025-04-02", "5,9,50,2025-04-09"];
const ITEMS: [&str; 4] = ["1,1,1,1,2025-03-30", "2,3,1,0,2025-04-01", "3,3,2,1,2025-04-01", "4,3,2,0,2025-04-01"];

fn dates(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row["date"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_window_replaces_its_dates_and_keeps_older_history() {
    let world = small_world(&ORDERS, &ITEMS).await;
    let lake = &world.lake;
    expect(&gold(lake, "daily-sales", "2025-04-02", &["--days-back", "4"]).await, "OK", 0);
    let first = rows(lake, "gold/daily_sales", "date").await;
    assert_eq!(dates(&first), ["2025-03-30", "2025-03-31", "2025-04-01", "2025-04-02"]);
    assert_eq!((&first[1]["items_per_order"], &first[2]["items_per_order"]), (&json!(0.0), &json!(3.0)));
    // 1 April is corrected, its neighbours in month and window are not in this one's window.
    deliver(lake, "orders", "b.csv", orders_csv(&["3,8,33,2025-04-01", "6,8,1,2025-04-01"])).await;
    build_silver(lake).await;
    expect(&gold(lake, "daily-sales", "2025-04-01", &["--days-back=1"]).await, "OK", 0);
    let second = rows(lake, "gold/daily_sales", "date").await;
    assert_eq!(dates(&second), dates(&first));
    assert_eq!((&second[2]["total_sales"], &second[2]["order_count"]), (&json!(34.0), &json!(2)));
    for kept in [0, 1, 3] {
        assert_eq!(second[kept], first[kept]);
    }
    // A later window leaves all of it, and orders after its date are not looked at.
    expect(&gold(lake, "daily-sales", "2025-04-08", &["--days-back=3"]).await, "EMPTY_WINDOW", 0);
    expect(&gold(lake, "daily-sales", "2025-04-09", &["--days-back=3"]).await, "OK", 0);
    let third = rows(lake, "gold/daily_sales", "date").await;
    assert_eq!(third[..4], second[..]);
    assert_eq!(dates(&third).last(), Some(&"2025-04-09"));
}

#[tokio::test]
async fn a_day_whose_orders_went_away_loses_its_row() {
    let world = small_world(&ORDERS, &ITEMS).await;
    let lake = &world.lake;
    expect(&gold(lake, "daily-sales", "2025-04-02", &["--days-back=4"]).await, "OK", 0);
    deliver(lake, "orders", "b.csv", orders_csv(&["4,9,40.01,2025-04-01"])).await;
    build_silver(lake).await;
    expect(&gold(lake, "daily-sales", "2025-04-02", &["--days-back=2"]).await, "OK", 0);
    assert_eq!(dates(&rows(lake, "gold/daily_sales", "date").await), ["2025-03-30", "2025-03-31", "2025-04-01"]);
}

#[tokio::test]
async fn totals_are_split_evenly_over_known_items() {
    let items = ["1,1,1,1,2025-03-30", "2,3,1,0,2025-04-01", "3,3,2,1,2025-04-01", "4,3,2,,2025-04-01"];
    let world = small_world(&ORDERS, &items).await;
    let lake = &world.lake;
    expect(&gold(lake, "product-performance", "2025-04-02", &["--lookback_days=4"]).await, "OK", 0);
    let products = rows(lake, "gold/product_performance", "product_id").await;
    let found: Vec<Json> = products
        .iter()
        .map(|row| {
            json!([
                row["product_id"],
                row["department"],
                row["total_quantity"],
                row["total_sales"],
                row["reorder_rate"]
            ])
        })
        .collect();
    assert_eq!(found, [json!([1, "Books", 2, 20.0, 0.5]), json!([2, "Toys", 2, 20.0, 0.5])]);
    expect(&gold(lake, "department-analytics", "2025-04-02", &["--lookback-days=4"]).await, "OK", 0);
    let books = rows(lake, "gold/department_analytics", "department").await.swap_remove(0);
    let found = json!([
        books["department"],
        books["department_id"],
        books["total_sales"],
        books["product_count"],
        books["order_count"]
    ]);
    assert_eq!(found, json!(["Books", 4, 20.0, 1, 2]));
}

#[tokio::test]
async fn fewer_than_five_customers_are_scored_one_to_n_and_a_rerun_with_less_replaces_all() {
    let world = small_world(&ORDERS, &ITEMS).await;
    let lake = &world.lake;
    expect(&gold(lake, "customer-insights", "2025-04-09", &[]).await, "OK", 0);
    let customers = rows(lake, "gold/customer_insights", "user_id").await;
    let found: Vec<Json> = customers
        .iter()
        .map(|row| {
            json!([
                row["user_id"],
                row["total_spend"],
                row["order_count"],
                row["days_since_last_order"],
                row["customer_segment"]
            ])
        })
        .collect();
    // Sums of scores: user 7 is 1 + 2 + 1 (30.00 ties with user 8's, cut by user), 8 is 2 + 1 + 2, 9 is 3 + 3 + 3.
    assert_eq!(
        found,
        [
            json!([7, 30.0, 2, 9, "Needs Attention"]),
            json!([8, 30.0, 1, 8, "At Risk"]),
            json!([9, 90.01, 2, 0, "Potential Loyalists"])
        ]
    );
    expect(&gold(lake, "customer-insights", "2025-04-09", &["--lookback-days=1"]).await, "OK", 0);
    assert_eq!(rows(lake, "gold/customer_insights", "user_id").await.len(), 1);
}

#[tokio::test]
async fn an_empty_window_is_a_skip_that_leaves_the_tables() {
    let world = small_world(&ORDERS, &ITEMS).await;
    let lake = &world.lake;
    expect(&gold(lake, "customer-insights", "2025-04-02", &[]).await, "OK", 0);
    let before = rows(lake, "gold/customer_insights", "user_id").await;
    for job in ["customer-insights", "daily-sales", "product-performance", "department-analytics"] {
        let result = gold(lake, job, "2030-01-01", &[]).await;
        expect(&result, "EMPTY_WINDOW", 0);
        assert!(result.outputs.is_empty());
    }
    assert_eq!(rows(lake, "gold/customer_insights", "user_id").await, before);
    let archived = names(lake, "silver/archive/daily_sales").await;
    assert_eq!(archived.len(), 1, "a run that rightly does nothing is no failure: {archived:?}");
}

#[tokio::test]
async fn a_run_leaves_a_record_of_what_it_read_and_wrote() {
    let world = small_world(&ORDERS, &ITEMS).await;
    let lake = &world.lake;
    let result = gold(lake, "daily-sales", "2025-04-02", &["--days-back=4"]).await;
    expect(&result, "OK", 0);
    let name = format!("{}.json", result.run_id);
    let record: Json =
        serde_json::from_slice(&folder(lake, "silver/archive/daily_sales").get(&name).await.unwrap()).unwrap();
    assert_eq!(record["dates"], json!({ "from": "2025-03-30", "to": "2025-04-02" }), "{record}");
    assert!(
        record["silver"]["orders"]["version"].is_i64() && record["silver"]["order_items"]["version"].is_i64(),
        "{record}"
    );
    assert_eq!((&record["status"], &record["outputs"][0]["rows"]), (&json!("archive"), &json!(4)), "{record}");
    assert_eq!(names(lake, "silver/processing/daily_sales").await, [""; 0]);
    let dq: Json =
        serde_json::from_slice(&folder(lake, "gold/daily_sales").get(&format!("_dq/{name}")).await.unwrap()).unwrap();
    assert_eq!((&dq["table"], &dq["date"]), (&json!("daily_sales"), &json!("2025-04-02")), "{dq}");
    assert!(dq["checks"].as_array().unwrap().len() > 10, "{dq}");
}

#[tokio::test]
async fn a_run_that_never_ended_is_reported_once() {
    let world = small_world(&ORDERS, &ITEMS).await;
    let lake = &world.lake;
    let processing = folder(lake, "silver/processing/daily_sales");
    let now = chrono::Utc::now().to_rfc3339();
    processing.put("old.json", r#"{"run_id":"old","timestamp":"2025-04-01T00:00:00Z"}"#).await.unwrap();
    processing.put("young.json", format!(r#"{{"run_id":"young","timestamp":"{now}"}}"#)).await.unwrap();
    for expected in [1, 0] {
        let result = gold(lake, "daily-sales", "2025-04-02", &[]).await;
        expect(&result, "OK", 0);
        let stale: Vec<&String> = result.warnings.iter().filter(|warning| warning.starts_with("STALE_RUN")).collect();
        assert_eq!(stale.len(), expected, "{stale:?}");
        assert!(stale.iter().all(|warning| warning.contains("old.json")));
    }
    assert_eq!(names(lake, "silver/processing/daily_sales").await, ["young.json"]);
    assert_eq!(names(lake, "silver/failed/daily_sales").await, ["old.json"]);
}

#[tokio::test]
async fn missing_silver_and_missing_columns_fail_by_their_codes() {
    let world = World::new().await;
    let lake = &world.lake;
    let result = gold(lake, "daily-sales", "2025-04-02", &[]).await;
    expect(&result, "SILVER_INPUT_MISSING", 1);
    assert!(
        result.message.contains("silver/orders") && result.message.contains("silver/order_items"),
        "{}",
        result.message
    );
    expect(&gold(lake, "customer-insights", "2025-04-02", &[]).await, "SILVER_INPUT_MISSING", 1);

    foreign_silver(lake, &["order_id", "date", "total_amount"]).await;
    let result = gold(lake, "customer-insights", "2025-04-02", &[]).await;
    expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(result.message.contains("user_id"), "{}", result.message);
    let failed = names(lake, "silver/failed/customer_insights").await;
    assert_eq!(failed, [format!("{}.json", result.run_id)]);
    assert!(!names(lake, "gold").await.iter().any(|name| name.contains("_delta_log")), "nothing is published");
}

/// A silver table somebody else built: numbers for keys, and flags as their writer has them.
async fn foreign_silver(lake: &Lake, columns: &[&str]) {
    foreign_table(lake, "orders", columns).await;
}

async fn foreign_table(lake: &Lake, table: &str, columns: &[&str]) {
    use std::sync::Arc;

    use deltalake::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    use workers::lake::delta::{Delta, Write};
    use workers::query::{Column, Kind, Rows};

    let kind = |name: &str| match name {
        "id" | "order_id" | "user_id" => Kind::Int64,
        "total_amount" | "product_id" | "reordered" => Kind::Float64,
        _ => Kind::Text,
    };
    let columns: Vec<Column> = columns.iter().map(|name| Column::new((*name).to_owned(), kind(name))).collect();
    let arrays = columns.iter().map(|column| {
        let array: ArrayRef = match column.kind {
            Kind::Int64 => Arc::new(Int64Array::from(vec![1, 2])),
            Kind::Float64 if column.name == "total_amount" => Arc::new(Float64Array::from(vec![10.0, f64::NAN])),
            Kind::Float64 => Arc::new(Float64Array::from(vec![1.0, 0.0])),
            _ => Arc::new(StringArray::from(vec!["2025-04-01", "2025-04-02"])),
        };
        (column.name.to_string(), array, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).unwrap();
    let mut delta = Delta::create(&folder(lake, &format!("silver/{table}")), &columns, &[], table).await.unwrap();
    delta.write(Rows::of(&columns, vec![batch]), Write::Append, None, "run-0").await.unwrap();
}

#[tokio::test]
async fn a_silver_table_of_others_is_read_by_its_columns() {
    let world = World::new().await;
    let lake = &world.lake;
    foreign_silver(lake, &["order_id", "user_id", "date", "total_amount"]).await;
    let result = gold(lake, "customer-insights", "2025-04-02", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(check(&result, "completeness: total_amount"), "WARN", "NaN is no amount");
    let customers = rows(lake, "gold/customer_insights", "user_id").await;
    assert_eq!((&customers[0]["total_spend"], &customers[1]["total_spend"]), (&json!(10.0), &json!(0.0)));

    // pandas has no integers with nulls: its flags and keys are 1.0 and 0.0.
    foreign_table(lake, "order_items", &["id", "order_id", "product_id", "reordered"]).await;
    foreign_table(lake, "products", &["product_id", "department"]).await;
    let result = gold(lake, "product-performance", "2025-04-02", &[]).await;
    assert_eq!(check(&result, "business rule: reordered is set"), "PASS", "{}", result.message);
    let products = rows(lake, "gold/product_performance", "product_id").await;
    let rates: Vec<Json> = products.iter().map(|row| json!([row["product_id"], row["reorder_rate"]])).collect();
    assert_eq!(rates, [json!([0, 0.0]), json!([1, 1.0])]);
}

#[tokio::test]
async fn a_second_run_on_a_table_in_work_is_refused_and_names_the_other() {
    let world = small_world(&ORDERS, &ITEMS).await;
    let lake = &world.lake;
    let lock =
        PartitionLock::acquire(&workers::lake::Partition::new(folder(lake, "gold"), "daily_sales"), "run-elsewhere")
            .await
            .unwrap();
    let refused = gold(lake, "daily-sales", "2025-04-02", &[]).await;
    expect(&refused, "CONCURRENT_RUNS_EXCEEDED", 1);
    assert!(refused.message.contains("run-elsewhere"), "{}", refused.message);
    lock.release().await.unwrap();
    expect(&gold(lake, "daily-sales", "2025-04-02", &[]).await, "OK", 0);
}
