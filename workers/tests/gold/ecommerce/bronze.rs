//! Raw files and their status.

use serde_json::json;

use workers::lake::delta::Delta;

use super::super::bomb::{gzip, within_mib};
use super::super::support::{MIB, query, run_with_32_mib};
use super::*;

#[tokio::test]
async fn a_file_goes_from_raw_to_processed_and_archive_with_its_side_files() {
    let world = World::new().await;
    let lake = &world.lake;
    deliver(lake, "orders", "2025-04-01.csv", orders_csv(&["1,7,10.5,2025-04-01", "2,8,20,2025-04-01"])).await;
    let result = bronze(lake, "orders").await;
    expect(&result, "OK", 0);
    assert_eq!((result.outputs[0].rows, &result.metrics["files"]), (2, &json!(1)));
    for status in ["processed", "archive"] {
        let path = format!("raw/{status}/orders");
        assert_eq!(names(lake, &path).await, ["2025-04-01.csv", "2025-04-01.csv.status.json"], "{status}");
        let side = folder(lake, &path).get("2025-04-01.csv.status.json").await.unwrap();
        let side: Json = serde_json::from_slice(&side).unwrap();
        assert_eq!((&side["status"], &side["run_id"]), (&json!(status), &json!(result.run_id)));
        assert!(side["original_path"].as_str().unwrap().ends_with("shop/raw/orders/2025-04-01.csv"), "{side}");
        assert!(side["timestamp"].as_str().unwrap().ends_with('Z'), "{side}");
    }
    for path in ["raw/orders", "raw/processing/orders", "raw/failed/orders"] {
        assert_eq!(names(lake, path).await, [""; 0], "{path}");
    }
}

#[tokio::test]
async fn files_of_one_name_in_two_datasets_do_not_meet() {
    let world = World::new().await;
    let lake = &world.lake;
    deliver(lake, "orders", "d.csv", orders_csv(&["1,7,10.5,2025-04-01"])).await;
    deliver(lake, "order_items", "d.csv", items_csv(&["1,1,1,0,2025-04-01"])).await;
    expect(&bronze(lake, "orders").await, "OK", 0);
    expect(&bronze(lake, "order_items").await, "OK", 0);
    let text = folder(lake, "raw/processed/orders").get("d.csv").await.unwrap();
    assert!(text.starts_with(b"order_num"), "the orders are still there");
}

#[tokio::test]
async fn files_that_cannot_be_taken_fail_by_themselves_with_the_reason() {
    let world = World::new().await;
    let lake = &world.lake;
    deliver(lake, "orders", "good.csv", orders_csv(&["1,7,10.5,2025-04-01"])).await;
    deliver(lake, "orders", "no_key.csv", "order_num,user_id\n1,2\n").await;
    deliver(lake, "orders", "broken.csv.gz", [&b"\x1f\x8b\x08\x00"[..], &[0; 20]].concat()).await;
    deliver(lake, "orders", "empty.csv", orders_csv(&[])).await;
    let result = bronze(lake, "orders").await;
    expect(&result, "SCHEMA_VALIDATION_FAILED", 3);
    assert_eq!(result.metrics["failed_files"], 2);
    assert_eq!(rows(lake, "bronze/orders", "row_number").await.len(), 1, "the good rows are in");
    let failed = names(lake, "raw/failed/orders").await;
    assert_eq!(
        failed,
        ["broken.csv.gz", "broken.csv.gz.status.json", "no_key.csv", "no_key.csv.status.json"],
        "an empty file is no failure"
    );
    let side: Json =
        serde_json::from_slice(&folder(lake, "raw/failed/orders").get("no_key.csv.status.json").await.unwrap())
            .unwrap();
    assert!(side["error_message"].as_str().unwrap().contains("`order_id`"), "{side}");

    deliver(lake, "products", "no_key.csv", "x\n1\n").await;
    expect(&bronze(lake, "products").await, "SCHEMA_VALIDATION_FAILED", 1);
    assert_eq!(names(lake, "raw/failed/products").await.len(), 2);
}

#[tokio::test]
async fn a_file_delivered_again_replaces_its_rows() {
    let world = World::new().await;
    let lake = &world.lake;
    for (orders, expected) in [(&["1,7,10.5,2025-04-01", "2,7,5,2025-04-01"][..], 2), (&["1,7,11,2025-04-01"], 1)] {
        deliver(lake, "orders", "d.csv", orders_csv(orders)).await;
        expect(&bronze(lake, "orders").await, "OK", 0);
        assert_eq!(rows(lake, "bronze/orders", "row_number").await.len(), expected);
    }
}

#[tokio::test]
async fn columns_may_be_missing_or_too_many_and_rows_malformed() {
    let world = World::new().await;
    let lake = &world.lake;
    deliver(lake, "products", "p.csv", b"product_id,product_name,colour\n1,Atlas,red\n2,Ba\xffll,blue\n3\n".to_vec())
        .await;
    let result = bronze(lake, "products").await;
    expect(&result, "OK", 0);
    assert!(result.warnings.iter().any(|warning| warning.contains("colour")), "{:?}", result.warnings);
    assert_eq!(result.metrics["malformed_records"], 2);
    expect(&silver(lake, "products").await, "OK", 0);
    let silver = rows(lake, "silver/products", "product_id").await;
    assert_eq!(silver.len(), 1);
    assert_eq!((&silver[0]["product_name"], &silver[0]["department"]), (&json!("Atlas"), &Json::Null));
    assert_eq!(silver[0]["is_active"], true);
    let rejected = rows(lake, "rejected/products", "row_number").await;
    let reasons: Vec<&Json> = rejected.iter().map(|row| &row["validation_errors"]).collect();
    assert_eq!(reasons, ["malformed_row", "malformed_row"], "{rejected:#?}");
}

#[tokio::test]
async fn arguments_that_cannot_be_meant_are_refused_with_exit_status_2() {
    let world = World::new().await;
    for (job, line, part) in [
        ("ecommerce-bronze", &[BUCKET, "--table=users"][..], "users"),
        ("ecommerce-bronze", &[BUCKET], "--table"),
        ("ecommerce-bronze", &["--table=orders"], "--bucket-name"),
        ("ecommerce-bronze", &["--table=orders", "--bucket-name=../x"], "../x"),
        ("ecommerce-bronze", &[BUCKET, "--table=orders", "--batch-size=0"], "--batch-size"),
        ("daily-sales", &[BUCKET, "--date=2024-02-30"], "2024-02-30"),
        ("daily-sales", &[BUCKET, "--date=2025-04-15", "--days-back=0"], "--days-back"),
        ("daily-sales", &[BUCKET, "--lookback-days=3"], "--lookback-days"),
        ("customer-insights", &[BUCKET, "--lookback_days=-1"], "--lookback-days"),
        ("daily-sales", &[BUCKET, "--region=../etc"], "--region"),
        ("ecommerce-maintenance", &[BUCKET, "--layer=raw"], "--layer"),
    ] {
        let result = run(&world.lake, job, line).await;
        expect(&result, "PRE_VALIDATION_FAILED", 2);
        assert!(result.message.contains(part), "{job} {line:?}: {}", result.message);
    }
}

#[tokio::test]
async fn a_file_larger_than_the_memory_is_taken_as_a_whole_or_not_at_all() {
    const ROWS: usize = 400_000;
    let place = tempfile::tempdir().unwrap();
    let lake = &Lake::at(place.path().to_str().unwrap()).unwrap();
    let mut orders = String::from("order_num,order_id,user_id,order_timestamp,total_amount,date,note\n");
    for n in 1..=ROWS {
        orders.push_str(&format!("{n},O{n},{},2025-04-01T10:30:00,{}.5,2025-04-01,x\n", n % 977, n % 83));
    }
    let arguments = ["--bucket-name=shop", "--table=orders"];
    let taken = async |name: &str, orders: String| {
        deliver(lake, "orders", name, orders).await;
        run_with_32_mib(place.path().to_str().unwrap(), "ecommerce-bronze", &arguments)
    };
    let result = taken("large.csv", orders.clone() + "cut,off").await;
    expect(&result, "OK", 0);
    assert_eq!((&result.metrics["records"], &result.metrics["malformed_records"]), (&json!(ROWS + 1), &json!(1)));
    assert!(result.warnings.iter().any(|warning| warning.contains("nobody knows: note")), "{:?}", result.warnings);
    let facts = async || {
        let query = query(lake);
        query.delta("bronze", &Delta::open(&folder(lake, "bronze/orders")).await.unwrap().unwrap()).await.unwrap();
        let statement = "select count(distinct row_number) as numbers, max(row_number) as last, count(corrupt_record) as corrupt, \
            count(case when order_id = 'O' || cast(row_number as varchar) then 1 end) as right from bronze";
        query.json(statement, &[]).await.unwrap().remove(0)
    };
    let before = facts().await;
    let expected = json!({"numbers": ROWS + 1, "last": ROWS + 1, "corrupt": 1, "right": ROWS});
    assert_eq!(Json::Object(before.clone()), expected);

    // Found only when nearly all of it is written.
    let endless = format!("{orders}1,\"{}\n", "x".repeat(2 << 20));
    let result = taken("endless.csv", endless).await;
    expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(
        result.message.contains("endless.csv") && result.message.contains("RECORD_BYTES_MAX"),
        "{}",
        result.message
    );
    assert_eq!(facts().await, before);
    assert!(names(lake, "raw/failed/orders").await.contains(&"endless.csv".to_owned()));
    let left = names(lake, "bronze/orders").await.into_iter().filter(|name| name.contains("endless"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0], "files that were begun are taken back");
}

#[tokio::test]
async fn long_rows_are_taken_in_bounded_memory() {
    const ROWS: usize = 600;
    let world = World::new().await;
    // Almost as long as a row may be.
    let line = format!("1,4,books,{}\n", "x".repeat(1_000_000));
    let bytes = [gzip(b"product_id,department_id,department,product_name\n", 1), gzip(line.as_bytes(), ROWS)].concat();
    assert!(bytes.len() < 8 << 20, "{} bytes are small", bytes.len());
    deliver(&world.lake, "products", "long.csv.gz", bytes).await;
    let result = within_mib(MIB, bronze(&world.lake, "products")).await;
    expect(&result, "OK", 0);
    assert_eq!(result.metrics["records"], ROWS);
}
