//! Input that cannot be used: a clear message, the others go on, what was there stays. Source: pipelines.md 6.2, column 5.

use serde_json::json;

use super::super::bomb::{gzip_of_a_long_line, parquet_bombs, within_mib};
use super::super::support::{MIB, add_to_delta};
use super::*;

#[tokio::test]
async fn a_file_that_cannot_be_read_is_set_aside_with_its_line_and_bronze_stays() {
    let world = small_world(&["1,7,10,2025-04-01"], &["1,1,1,1,2025-04-01"]).await;
    let lake = &world.lake;
    let before = rows(lake, "bronze/orders", "row_number").await;
    let header = orders_csv(&["2,8,20,2025-04-01"]);
    for (name, bytes, part) in [
        ("line.csv.gz", gzip_of_a_long_line(&header), "begins in line 3 exceeds RECORD_BYTES_MAX"),
        (
            "quote.csv.gz",
            gzip_of_a_long_line(&format!("{header}\"")),
            "begins in line 3, with a quote in line 3 that is not closed, ",
        ),
        ("none.csv.gz", b"this is no gzip".to_vec(), "deliver it again"),
        ("bytes.csv", vec![0xff; 40], "`order_id`"),
        ("no_key.csv", b"order_num,user_id\n1,2\n".to_vec(), "`order_id`"),
    ] {
        deliver(lake, "orders", name, bytes).await;
        let result = within_mib(MIB, bronze(lake, "orders")).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains(name) && result.message.contains(part), "{name}: {}", result.message);
        let side = folder(lake, "raw/failed/orders").get(&format!("{name}.status.json")).await.unwrap();
        let side: Json = serde_json::from_slice(&side).unwrap();
        assert!(side["error_message"].as_str().unwrap().contains(part), "{side}");
        assert_eq!(rows(lake, "bronze/orders", "row_number").await, before, "{name}");
    }
}

#[tokio::test]
async fn rows_that_cannot_be_meant_are_rejected_with_their_file_and_row() {
    let good = "1,1,7,2025-04-01T10:30:00,10,2025-04-01\n";
    for (name, bad, reason) in [
        ("no such date", b"1,2,7,2024-02-30T10:30:00,10,2024-02-30\n".to_vec(), "timestamp"),
        ("not UTF-8", b"1,\xff\xfe,7,2025-04-01T10:30:00,10,2025-04-01\n".to_vec(), "malformed_row"),
        ("a text as a number", b"1,2,7,2025-04-01T10:30:00,ten,2025-04-01\n".to_vec(), "total_amount"),
        ("cut off", b"1,2,7".to_vec(), "malformed_row"),
    ] {
        let world = World::new().await;
        let lake = &world.lake;
        let header = "order_num,order_id,user_id,order_timestamp,total_amount,date\n";
        deliver(lake, "orders", "a.csv", [header.as_bytes(), good.as_bytes(), &bad].concat()).await;
        expect(&bronze(lake, "orders").await, "OK", 0);
        expect(&silver(lake, "orders").await, "OK", 0);
        assert_eq!(rows(lake, "silver/orders", "order_id").await.len(), 1, "{name}");
        let rejected = rows(lake, "rejected/orders", "row_number").await;
        assert_eq!(rejected.len(), 1, "{name}");
        let told = rejected[0]["validation_errors"].as_str().unwrap();
        assert!(told.contains(reason), "{name}: {told}");
        assert_eq!(
            (&rejected[0]["bronze_source_file"], &rejected[0]["row_number"]),
            (&json!("a.csv"), &json!(2)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_file_of_a_delta_table_that_is_no_parquet_or_a_bomb_fails_silver_and_gold_and_nothing_is_published() {
    let mut cases = vec![("none", b"PAR1 this is no Parquet PAR1".to_vec(), "as Parquet")];
    // The key: rows without one are refused before their other columns are decoded.
    cases.extend(parquet_bombs("order_id"));
    for (name, bytes, part) in cases {
        let world = small_world(&["1,7,10,2025-04-01"], &["1,1,1,1,2025-04-01"]).await;
        let lake = &world.lake;
        expect(&gold(lake, "customer-insights", "2025-04-01", &[]).await, "OK", 0);
        let before = rows(lake, "gold/customer_insights", "user_id").await;
        let silver_before = rows(lake, "silver/orders", "order_id").await;

        let file = format!("bronze_source_file=b.csv/{name}.parquet");
        let bronze_orders = folder(lake, "bronze/orders");
        add_to_delta(&bronze_orders, &file, json!({ "bronze_source_file": "b.csv" }), bytes.clone()).await;
        let result = within_mib(MIB, silver(lake, "orders")).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains(part), "{name}: {}", result.message);
        assert_eq!(rows(lake, "silver/orders", "order_id").await, silver_before, "{name}");

        let file = format!("date=2025-04-01/{name}.parquet");
        add_to_delta(&folder(lake, "silver/orders"), &file, json!({ "date": "2025-04-01" }), bytes).await;
        let result = within_mib(MIB, gold(lake, "customer-insights", "2025-04-01", &[])).await;
        expect(&result, "SCHEMA_VALIDATION_FAILED", 1);
        assert!(result.message.contains(part), "{name}: {}", result.message);
        assert!(result.message.contains(&format!("{name}.parquet")), "{}", result.message);
        assert_eq!(rows(lake, "gold/customer_insights", "user_id").await, before, "{name}");
    }
}
