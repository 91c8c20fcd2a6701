//! Maintenance: layout changes, rows do not. Source: pipelines.md 4.5.

use serde_json::{Value, json};

use workers::lake::delta::Write;
use workers::query::Kind;

use super::super::support::{query, run_with_32_mib};
use super::world::{ROOT, Txn, World, expect, metric};

const TABLE: &str = "delta/gold/high_risk_txns";

async fn many_files() -> World {
    let world = World::new().await;
    for (name, id, time) in [
        ("a.json", "t1", "2025-06-11T10:00:00"),
        ("b.json", "t2", "2025-06-12T10:00:00"),
        ("c.json", "t3", "2025-06-11T11:00:00"),
    ] {
        world.ingest(name, &[Txn { id, time: Some(time), ..Txn::default() }]).await;
        expect(&world.stream(&[]).await, "OK", 0);
    }
    world
}

#[tokio::test]
async fn rows_are_the_same_multiset_and_only_changed_dates_are_optimised() {
    let world = many_files().await;
    let gold = world.gold().await;
    let first = world.run("enrichment-maintenance", &[]).await;
    expect(&first, "OK", 0);
    assert_eq!(metric(&first, "maintenance_high_risk_txns")["partitions"], 2, "{:?}", first.metrics);
    assert_eq!(world.gold().await, gold);
    let version = world.delta(TABLE).await.version();

    expect(&world.run("enrichment-maintenance", &[]).await, "IDEMPOTENT_SKIP", 0);
    world.ingest("d.json", &[Txn { id: "t4", time: Some("2025-06-12T12:00:00"), ..Txn::default() }]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let gold = world.gold().await;
    let third = world.run("enrichment-maintenance", &["--tables=high_risk_txns"]).await;
    expect(&third, "OK", 0);
    assert_eq!(metric(&third, "maintenance_high_risk_txns")["partitions"], 1, "{:?}", third.metrics);
    assert_eq!(third.metrics.get("maintenance_user_spend_summary"), None::<&Value>);
    assert_eq!(world.gold().await, gold);

    let table = world.delta(TABLE).await;
    let changes = table.changes(version, table.version(), "event_date").await.unwrap();
    assert_eq!(changes.iter().filter(|change| change.data_change).count(), 1, "the batch: {changes:?}");
    world.ingest("e.json", &[Txn { id: "t5", ..Txn::default() }]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(5), "the stream goes on");
}

#[tokio::test]
async fn more_rows_than_memory_are_optimised() {
    let world = many_files().await;
    let mut table = world.delta(TABLE).await;
    let columns = table.columns();
    for batch in 0..3 {
        let texts = columns.iter().filter(|column| column.kind == Kind::Text);
        let texts =
            texts.map(|column| format!("repeat('x', 40) || cast(value * 7919 % 30011 as string) as {}, ", column.name));
        let statement = format!(
            "select {} cast('2025-06-1{}' as date) as event_date from generate_series(1, 20000)",
            texts.collect::<String>(),
            1 + batch % 2
        );
        let rows = query(&world.lake).stream(&statement, &[], &columns).await.unwrap();
        table.write(rows, Write::Append, None, "test").await.unwrap();
    }
    let lake = world.place.path().to_str().unwrap();
    let arguments = [&*format!("--root={ROOT}"), "--tables=high_risk_txns"];
    let result = run_with_32_mib(lake, "enrichment-maintenance", &arguments);
    expect(&result, "OK", 0);
    assert_eq!(metric(&result, "maintenance_high_risk_txns")["rows"], 60_003, "{:?}", result.metrics);

    // Rows that no two of fit.
    let wide = "select 'w' as transaction_id, repeat(cast(value % 10 as string), 3000000) as location, \
                cast('2025-06-11' as date) as event_date from generate_series(1, 12)";
    let mut table = world.delta(TABLE).await;
    let rows = query(&world.lake).stream(wide, &[], &columns).await.unwrap();
    table.write(rows, Write::Append, None, "test").await.unwrap();
    let version = table.version();
    let refused = run_with_32_mib(lake, "enrichment-maintenance", &arguments);
    expect(&refused, "PRE_VALIDATION_FAILED", 2);
    assert!(refused.message.contains("STEPWELL_QUERY_MEMORY_MIB"), "{}", refused.message);
    assert!(refused.message.contains("raise it"), "{}", refused.message);
    assert_eq!(world.delta(TABLE).await.version(), version);
}

#[tokio::test]
async fn the_stream_optimises_after_its_last_batch_when_asked_to() {
    let world = World::new().await;
    world.ingest("a.json", &[Txn::default()]).await;
    let result = world.run("enrichment-gold-stream", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(metric(&result, "maintenance_user_spend_summary")["partitions"], 1);
    assert_ne!(world.json("checkpoints/gold/maintenance/user_spend_summary.json").await, Value::Null);
}

#[tokio::test]
async fn versions_within_retention_stay_and_a_shorter_one_must_be_allowed() {
    let world = many_files().await;
    let old = world.delta(TABLE).await.version();
    expect(&world.run("enrichment-maintenance", &[]).await, "OK", 0);
    let folder = world.folder(TABLE);
    let at = workers::lake::delta::Delta::open_at(&folder, old - 1).await.unwrap();
    assert!(at.details().await.unwrap().rows > 0);
    let files = folder.data_objects().await.unwrap().len();
    assert!(files as u64 > world.delta(TABLE).await.details().await.unwrap().files, "old files are kept for 168 hours");

    let refused = world.run("enrichment-maintenance", &["--vacuum_hours=1"]).await;
    expect(&refused, "PRE_VALIDATION_FAILED", 2);
    assert!(refused.message.contains("--allow_short_retention"), "{}", refused.message);
    let gold = world.gold().await;
    let short = ["--vacuum_hours=0", "--allow_short_retention=true"];
    world.run("enrichment-maintenance", &short).await;
    let left = folder.data_objects().await.unwrap().len() as u64;
    assert_eq!(left, world.delta(TABLE).await.details().await.unwrap().files, "only what the table refers to is left");
    assert_eq!(world.gold().await, gold);
}

#[tokio::test]
async fn tables_that_are_none_are_refused_and_absent_ones_warned_of() {
    let world = World::new().await;
    expect(&world.run("enrichment-maintenance", &["--tables=spend"]).await, "PRE_VALIDATION_FAILED", 2);
    let nothing = world.run("enrichment-maintenance", &[]).await;
    expect(&nothing, "IDEMPOTENT_SKIP", 0);
    assert_eq!(nothing.warnings.len(), 3, "{:?}", nothing.warnings);
}
