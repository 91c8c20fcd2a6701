//! The tables through the eyes of others: delta-rs and polars, from Python.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::world::{TABLES, World, expect};

/// What `tests/support/read_delta.py` says of the tables.
fn read_from_python(world: &World) -> Value {
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/support");
    let venv = Command::new("bash").arg(support.join("venv.sh")).output().expect("bash starts");
    assert!(venv.status.success(), "{}", String::from_utf8_lossy(&venv.stderr));
    let python = Path::new(String::from_utf8(venv.stdout).unwrap().trim()).join("python");
    let mut command = Command::new(python);
    command.arg(support.join("read_delta.py"));
    for (name, _) in TABLES {
        command.arg(world.folder(&format!("delta/gold/{name}")).local_path().unwrap());
    }
    command.arg(world.folder("delta/silver").local_path().unwrap());
    let read = command.output().expect("python starts");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn delta_rs_and_polars_read_the_same_rows_and_sums() {
    let world = World::sample().await;
    expect(&world.run("enrichment-silver", &[]).await, "OK", 0);
    expect(&world.stream(&[]).await, "OK", 0);
    compare(&world).await;
    // And again after another layout of the same rows.
    expect(&world.run("enrichment-maintenance", &[]).await, "OK", 0);
    world.silver().await.optimize(&["user_id"], None, 64).await.unwrap();
    compare(&world).await;
}

async fn compare(world: &World) {
    let told = read_from_python(world);
    for (place, (table, column)) in [
        ("user_spend_summary", "Total_spent_per_user"),
        ("product_usage_metrics", "average_usage_cost_ratio"),
        ("high_risk_txns", "amount"),
        ("silver", "amount"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = &told[place];
        let ours = world
            .query(&format!("select count(*) as row_count, sum(\"{column}\") as total from {table}"))
            .await
            .remove(0);
        for reader in ["deltalake", "polars"] {
            let theirs = &told[reader];
            assert_eq!(theirs["rows"], ours["row_count"], "{table} by {reader}: {told:#}");
            let (total, expected) = (theirs["sums"][column].as_f64().unwrap(), ours["total"].as_f64().unwrap());
            assert!((total - expected).abs() < 1e-6, "{table} by {reader}: {total}, {expected}");
            assert_eq!(theirs["dates"], json!(["2025-06-11"]), "{table} by {reader}");
        }
        assert_eq!(told["partition_columns"], json!(["event_date"]), "{table}");
        if table != "silver" {
            assert_eq!(told["last_batch"], json!(1), "{table}: {told:#}");
        }
    }
}
