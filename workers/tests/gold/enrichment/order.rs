//! The order of rows within the files of gold.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::support::{JsonRows, rows_of_object};
use super::world::{TABLES, World, expect};

/// Transactions of three days, more than several batches: a tenth has no id, and of these many are alike.
fn transactions() -> String {
    let line = |n: u64| {
        let id = if n.is_multiple_of(10) { "null".to_owned() } else { format!("\"t{n}\"") };
        let (user, product, day) = (n * 7919 % 3_000, n * 104_729 % 500, 10 + n % 3);
        // Whole ratios: their sums do not depend on the order, either.
        let amount = 100 * (n % 4);
        format!(
            "{{\"transaction_id\":{id},\"event_time\":\"2025-06-{day}T10:00:00\",\"user_id\":\"U{user}\",\
             \"product_id\":\"P{product}\",\"subscription_type\":\"Round\",\"amount\":{amount},\"currency\":\"EUR\"}}\n"
        )
    };
    (0..20_000).map(line).collect()
}

/// The rows of each file, by its table and partition.
async fn files(world: &World) -> BTreeMap<String, Vec<JsonRows>> {
    let mut files: BTreeMap<String, Vec<JsonRows>> = BTreeMap::new();
    for (table, _) in TABLES {
        let folder = world.folder(&format!("delta/gold/{table}"));
        for object in folder.data_objects().await.unwrap() {
            let (partition, _) = object.name.rsplit_once('/').unwrap();
            let rows = rows_of_object(&world.lake, &folder, &object.name).await;
            files.entry(format!("{table}/{partition}")).or_default().push(rows);
        }
    }
    files
}

#[tokio::test]
async fn two_runs_give_each_file_its_rows_in_the_same_order() {
    let world = World::new().await;
    world.put("raw/stream_input/a.json", &transactions()).await;
    expect(&world.run("enrichment-silver", &[]).await, "OK", 0);
    let other = world.copy();
    expect(&world.run("enrichment-gold", &[]).await, "OK", 0);
    expect(&other.run("enrichment-gold", &[]).await, "OK", 0);
    let found = files(&world).await;
    assert_eq!(found.len(), 9, "three dates of three tables: {:?}", found.keys());
    assert!(found == files(&other).await, "two runs differ");
    for (place, files) in found {
        let keys: &[&str] = match place.split('/').next() {
            Some("user_spend_summary") => &["user_id"],
            Some("product_usage_metrics") => &["product_id"],
            _ => &["user_id", "transaction_id", "event_time"],
        };
        for rows in files {
            // Nulls come last.
            let key = |row: &serde_json::Map<String, Value>| {
                keys.iter().map(|key| (row[*key].is_null(), row[*key].to_string())).collect::<Vec<_>>()
            };
            assert!(rows.len() > 100 && rows.is_sorted_by_key(key), "{place}: {} rows", rows.len());
        }
    }
}
