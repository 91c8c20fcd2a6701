//! Silver's rules.

use serde_json::json;

use super::*;

#[tokio::test]
async fn rows_that_break_a_rule_are_kept_aside_with_the_reasons() {
    let orders = [
        "1,7,10.5,2025-04-01",
        ",7,10.5,2025-04-01",
        "3,7,10.5,",
        "4,7,0,2025-04-01",
        "5,7,much,2025-04-01",
        "6,,,2025-04-01",
        "7,7,NaN,2025-04-01",
    ];
    let items =
        ["1,1,1,1,2025-04-01", "2,4,1,0,2025-04-01", "3,1,9,0,2025-04-01", ",1,1,0,2025-04-01", "5,9,9,x,2025-04-01"];
    let world = small_world(&orders, &items).await;
    let lake = &world.lake;
    let kept: Vec<Json> =
        rows(lake, "silver/orders", "order_id").await.iter().map(|row| row["order_id"].clone()).collect();
    assert_eq!(kept, ["1", "6"], "an order without user and amount is left to gold's checks");
    let refused: Vec<Json> = rows(lake, "rejected/orders", "row_number")
        .await
        .iter()
        .map(|row| json!([row["order_id"], row["validation_errors"]]))
        .collect();
    assert_eq!(
        refused,
        [
            json!([null, "null_order_id"]),
            json!(["3", "null_order_timestamp"]),
            json!(["4", "total_amount_not_positive"]),
            json!(["5", "unreadable_total_amount"]),
            json!(["7", "unreadable_total_amount"]),
        ]
    );
    let refused: Vec<Json> = rows(lake, "rejected/order_items", "row_number")
        .await
        .iter()
        .map(|row| row["validation_errors"].clone())
        .collect();
    assert_eq!(refused, ["unknown_order", "unknown_product", "null_id", "unknown_order,unknown_product"]);
    assert_eq!(rows(lake, "silver/order_items", "id").await.len(), 1);
}

#[tokio::test]
async fn values_get_their_types_buckets_and_one_spelling() {
    let world = World::new().await;
    let lake = &world.lake;
    let departments =
        ["book", " BOOKS ", "Sport", "toys", "Household", "apparel", "clothes", "tech", "Grocery", "Garden", ""];
    let lines: String = departments.iter().enumerate().map(|(n, d)| format!("{n},1,{d},x\n")).collect();
    deliver(lake, "products", "p.csv", format!("product_id,department_id,department,product_name\n{lines}")).await;
    deliver(lake, "orders", "o.csv", orders_csv(&["10,7,10.5,2025-04-06"])).await;
    let days = ["", "0", "1", "2", "7", "8", "14", "15", "30", "31", "12.0"];
    let lines: String =
        days.iter().enumerate().map(|(n, d)| format!("{n},10,7,{d},0,1,1,2025-04-06 23:59:59,2025-04-06\n")).collect();
    let header =
        "id,order_id,user_id,days_since_prior_order,product_id,add_to_cart_order,reordered,order_timestamp,date\n";
    deliver(lake, "order_items", "i.csv", format!("{header}{lines}")).await;
    build_silver(lake).await;
    let spelled: Vec<Json> = rows(lake, "silver/products", "product_id")
        .await
        .iter()
        .map(|row| row["department_standardized"].clone())
        .collect();
    let expected = json!([
        "Books",
        "Books",
        "Sports",
        "Toys",
        "Home",
        "Clothing",
        "Clothing",
        "Electronics",
        "Food",
        "Garden",
        null
    ]);
    assert_eq!(json!(spelled), expected);
    let buckets: Vec<Json> = rows(lake, "silver/order_items", "id")
        .await
        .iter()
        .map(|row| row["days_since_prior_order_bucket"].clone())
        .collect();
    let expected = json!([
        "first_order",
        "0-1_days",
        "0-1_days",
        "2-7_days",
        "2-7_days",
        "8-14_days",
        "8-14_days",
        "15-30_days",
        "15-30_days",
        "30+_days",
        "8-14_days"
    ]);
    assert_eq!(json!(buckets), expected);
    let order = &rows(lake, "silver/orders", "order_id").await[0];
    // 2025-04-06 was a Sunday.
    assert_eq!(
        (&order["day_of_week"], &order["hour_of_day"], &order["date"]),
        (&json!(1), &json!(10), &json!("2025-04-06"))
    );
    assert_eq!((&order["layer"], &order["bronze_source_file"]), (&json!("silver"), &json!("o.csv")));
}

#[tokio::test]
async fn the_newest_row_of_a_key_wins_and_other_days_stay() {
    let world =
        small_world(&["1,7,10.5,2025-04-01", "2,7,20,2025-04-02", "3,8,5,2025-04-03"], &["1,1,1,1,2025-04-01"]).await;
    let lake = &world.lake;
    let before = rows(lake, "silver/orders", "order_id").await;
    // Order 1 is corrected within its day, order 2 moves to another day; order 3 is not delivered again.
    deliver(lake, "orders", "b.csv", orders_csv(&["1,7,11.5,2025-04-01", "2,7,20,2025-04-05"])).await;
    expect(&bronze(lake, "orders").await, "OK", 0);
    let result = silver(lake, "orders").await;
    expect(&result, "OK", 0);
    assert_eq!(result.metrics["files_in_scope"], 1, "only what changed is looked at");
    let after = rows(lake, "silver/orders", "order_id").await;
    let found: Vec<Json> = after.iter().map(|row| json!([row["order_id"], row["total_amount"], row["date"]])).collect();
    assert_eq!(
        found,
        [json!(["1", 11.5, "2025-04-01"]), json!(["2", 20.0, "2025-04-05"]), json!(["3", 5.0, "2025-04-03"])]
    );
    assert_eq!(after[2], before[2]);
    // A whole second look finds the same.
    let full = run(lake, "ecommerce-silver", &[BUCKET, "--table=orders", "--full=true"]).await;
    expect(&full, "OK", 0);
    assert_eq!(rows(lake, "silver/orders", "order_id").await, after);
}

#[tokio::test]
async fn items_refused_for_an_order_that_comes_later_are_taken_then() {
    let world = small_world(&["1,7,10.5,2025-04-01"], &["1,1,1,1,2025-04-01", "2,2,1,0,2025-04-02"]).await;
    let lake = &world.lake;
    assert_eq!(rows(lake, "rejected/order_items", "row_number").await.len(), 1);
    deliver(lake, "orders", "late.csv", orders_csv(&["2,7,20,2025-04-02"])).await;
    // Silver's jobs run side by side: the items' job need not wait for the orders'.
    expect(&bronze(lake, "orders").await, "OK", 0);
    expect(&silver(lake, "order_items").await, "OK", 0);
    assert_eq!(rows(lake, "silver/order_items", "id").await.len(), 2);
    assert_eq!(rows(lake, "rejected/order_items", "row_number").await.len(), 0);
    expect(&silver(lake, "order_items").await, "IDEMPOTENT_SKIP", 0);
}

#[tokio::test]
async fn without_bronze_there_is_nothing_to_do() {
    let world = World::new().await;
    expect(&silver(&world.lake, "orders").await, "NO_RAW_DATA", 0);
    assert!(!names(&world.lake, "silver").await.iter().any(|name| name.contains("_delta_log")), "no table is made");
}
