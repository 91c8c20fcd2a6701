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
    assert_eq!(
        refused,
        ["unknown_order", "unknown_product", "null_id", "unreadable_reordered,unknown_order,unknown_product"]
    );
    assert_eq!(rows(lake, "silver/order_items", "id").await.len(), 1);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_refused_and_not_left_out() {
    let world = World::new().await;
    let lake = &world.lake;
    let products = "product_id,department_id,is_active\n1,4,y\n2,4,N\n3,4,\n4,4,perhaps\n5,four,1\nsix,4,1\n";
    deliver(lake, "products", "p.csv", products).await;
    let order = |id: u32, num: &str, user: &str, at: &str, date: &str| format!("{num},{id},{user},{at},10,{date}\n");
    let at = "2025-04-01T10:00:00";
    let orders: String = [
        order(1, "1", "7", at, "2025-04-01"),
        order(2, "", "", at, ""),
        order(3, "1.0", "7.0", at, "2025-04-01 00:00:00"),
        order(4, "1", "7", at, "2024-02-30"),
        order(5, "1", "abc", at, "2025-04-01"),
        order(6, "1", "7.5", at, "2025-04-01"),
        order(7, "1", "3000000000", at, "2025-04-01"),
        order(8, "A-1", "7", at, "2025-04-01"),
        order(9, "1", "7", "2024-02-30T10:00:00", "2025-04-01"),
    ]
    .concat();
    deliver(lake, "orders", "o.csv", format!("order_num,order_id,user_id,order_timestamp,total_amount,date\n{orders}"))
        .await;
    let header =
        "id,order_id,user_id,days_since_prior_order,product_id,add_to_cart_order,reordered,order_timestamp,date\n";
    let item = |fields: &str, date: &str| format!("{fields},{at},{date}\n");
    let items: String = [
        item("1,1,7,3,1,1,Y", "2025-04-01"),
        item("2,1,x,3,1,1,1", "2025-04-01"),
        item("3,1,7,abc,1,1,1", "2025-04-01"),
        item("4,1,7,3,one,1,1", "2025-04-01"),
        item("5,1,7,3,1,first,1", "2025-04-01"),
        item("6,1,7,3,1,1,maybe", "2025-04-01"),
        item("seven,1,7,3,1,1,0", "2025-04-01"),
        item("8,1,7,3,1,1,0", "2024-02-30"),
    ]
    .concat();
    deliver(lake, "order_items", "i.csv", format!("{header}{items}")).await;
    build_silver(lake).await;
    let reasons = async |table: &str| -> Vec<(u64, String)> {
        let rejected = rows(lake, &format!("rejected/{table}"), "row_number").await;
        let reason = |row: &Row| row["validation_errors"].as_str().unwrap().to_owned();
        rejected.iter().map(|row| (row["row_number"].as_u64().unwrap(), reason(row))).collect()
    };
    let expected = |expected: &[(u64, &str)]| -> Vec<(u64, String)> {
        expected.iter().map(|(row, reason)| (*row, (*reason).to_owned())).collect()
    };
    let products = [(4, "unreadable_is_active"), (5, "unreadable_department_id"), (6, "unreadable_product_id")];
    assert_eq!(reasons("products").await, expected(&products));
    let active: Vec<Json> =
        rows(lake, "silver/products", "product_id").await.iter().map(|row| row["is_active"].clone()).collect();
    assert_eq!(active, [json!(true), json!(false), json!(true)]);
    let orders = [
        (4, "unreadable_date"),
        (5, "unreadable_user_id"),
        (6, "unreadable_user_id"),
        (7, "unreadable_user_id"),
        (8, "unreadable_order_num"),
        (9, "unreadable_order_timestamp"),
    ];
    assert_eq!(reasons("orders").await, expected(&orders));
    let kept = rows(lake, "silver/orders", "order_id").await;
    assert_eq!(kept.iter().map(|row| &row["date"]).collect::<Vec<_>>(), ["2025-04-01"; 3], "{kept:#?}");
    let items = [
        (2, "unreadable_user_id"),
        (3, "unreadable_days_since_prior_order"),
        (4, "unreadable_product_id,unknown_product"),
        (5, "unreadable_add_to_cart_order"),
        (6, "unreadable_reordered"),
        (7, "unreadable_id"),
        (8, "unreadable_date"),
    ];
    assert_eq!(reasons("order_items").await, expected(&items));
    assert_eq!(rows(lake, "silver/order_items", "id").await[0]["reordered"], true);
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
