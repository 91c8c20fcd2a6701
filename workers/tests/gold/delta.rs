//! The pieces the gold jobs are made of, on either store: SQL in, Delta and Parquet tables out.

use serde_json::json;
use workers::job::{JobContext, QualityCheck, QualityStatus};
use workers::lake::delta::{Delta, Write};
use workers::lake::publish::{WriteSettings, finish_switch, publish_rows, stage_rows, switch_all};
use workers::lake::{Codec, Error, FileSizing, Lake, Partition};
use workers::query::{Column, Kind, Rows, column};

use super::support::{World, delta_rows, for_each_crash_point, parquet_rows, query};

const COLUMNS: &[Column] = &[
    column("user_id", Kind::Text),
    column("event_date", Kind::Date),
    column("Total_spent_per_user", Kind::Float64),
    column("updated_at", Kind::Timestamp),
];
const SETTINGS: WriteSettings =
    WriteSettings { codec: Codec::Snappy, sizing: FileSizing { target_file_mb: 128, files_max: 4 } };

/// One user's spending on each of the days, by SQL.
async fn rows(lake: &Lake, spent: f64, days: &[&str]) -> Rows {
    let days: Vec<_> = days.iter().map(|day| format!("('{day}')")).collect();
    let sql = format!(
        "select 'u-1' as user_id, cast(day as date) as event_date, ${{spent}} as \"Total_spent_per_user\", \
         sw_parse_ts('2025-06-11T10:00:00.123456Z') as updated_at from (values {}) as t(day) order by day",
        days.join(", ")
    );
    query(lake).stream(&sql, &[("spent", spent.into())], COLUMNS).await.unwrap()
}

async fn table(lake: &Lake) -> Result<Delta, Error> {
    Delta::create(&lake.folder("gold", "delta/user_spend_summary")?, COLUMNS, &["event_date"], "user_spend_summary")
        .await
}

async fn spent(world: &World) -> Vec<serde_json::Value> {
    let rows = delta_rows(&world.lake, &world.folder("gold", "delta/user_spend_summary"), "event_date").await;
    rows.into_iter().map(|row| json!([row["event_date"], row["Total_spent_per_user"]])).collect()
}

async fn prepared() -> World {
    let world = World::new().await;
    let mut table = table(&world.lake).await.unwrap();
    let first = rows(&world.lake, 1.0, &["2025-06-11", "2025-06-12"]).await;
    table.write(first, Write::Append, None, "run-1").await.unwrap();
    world
}

#[tokio::test]
async fn a_delta_table_is_written_by_sql_and_read_by_sql() {
    let world = prepared().await;
    let folder = world.folder("gold", "delta/user_spend_summary");
    let rows = delta_rows(&world.lake, &folder, "event_date").await;
    assert_eq!(
        json!(rows[1]),
        json!({
            "user_id": "u-1",
            "event_date": "2025-06-12",
            "Total_spent_per_user": 1.0,
            "updated_at": "2025-06-11T10:00:00.123456Z",
        })
    );
    let found = Delta::open(&folder).await.unwrap().unwrap();
    assert_eq!(found.columns(), COLUMNS);
    let days = found.partition_values("event_date").await.unwrap();
    assert_eq!(days, [Some("2025-06-11".to_owned()), Some("2025-06-12".to_owned())]);
    let query = world.query();
    query.delta("t", &found).await.unwrap();
    let day = [("day", chrono::NaiveDate::from_ymd_opt(2025, 6, 12).into())];
    let one = query.json("select count(*) as n from t where event_date = ${day}", &day).await.unwrap();
    assert_eq!(one[0]["n"], 1);
}

#[tokio::test]
async fn a_batch_that_crashes_anywhere_is_repeated_with_the_same_end() {
    let values = ["2025-06-12".to_owned(), "2025-06-13".to_owned()];
    let batch = async |lake: &Lake| {
        let mut table = table(lake).await?;
        if table.transaction("batch").await? >= Some(1) {
            return Ok(());
        }
        let mode = Write::ReplacePartitions { column: "event_date", values: &values };
        let rows = rows(lake, 2.5, &["2025-06-13"]).await;
        table.write(rows, mode, Some(("batch", 1)), "run-2").await.map(drop)
    };
    let old = [json!(["2025-06-11", 1.0]), json!(["2025-06-12", 1.0])];
    let new = [json!(["2025-06-11", 1.0]), json!(["2025-06-13", 2.5])];
    for_each_crash_point(prepared, batch, async |world, acted: Result<(), Error>, case| {
        assert!(matches!(acted, Err(Error::Crashed { .. })), "{case}: {acted:?}");
        assert_eq!(spent(world).await, old, "{case}");
        batch(&world.lake).await.unwrap();
        batch(&world.lake).await.unwrap();
        assert_eq!(spent(world).await, new, "{case}");
    })
    .await;
}

#[tokio::test]
async fn parquet_tables_are_published_from_streams_and_switched_together() {
    let refresh = async |lake: &Lake, value: f64| {
        let context = JobContext::detached(lake.clone(), "task");
        let parent = lake.folder("gold", "star")?;
        let facts = Partition::new(parent.clone(), "facts");
        let marts = Partition::new(parent.clone(), "marts");
        let locks = (context.lock(&facts).await, context.lock(&marts).await);
        let (Ok(facts_lock), Ok(marts_lock)) = locks else {
            return Err(Error::Crashed { number: 0, step: "lock".to_owned() });
        };
        finish_switch(lake, &parent).await?;
        let days = ["2025-06-11", "2025-06-12"];
        let run_id = format!("{value}-run");
        let split = Some("event_date");
        let facts = stage_rows(&facts, rows(lake, value, &days).await, SETTINGS, split, &run_id).await?;
        let marts = stage_rows(&marts, rows(lake, value, &days[..1]).await, SETTINGS, None, &run_id).await?;
        let query = query(lake);
        let (folder, names) = facts.objects();
        query.parquet("staged", &folder, &names, Some(COLUMNS)).await.unwrap();
        assert_eq!(query.json("select count(*) as n from staged", &[]).await.unwrap()[0]["n"], 2);
        switch_all(vec![(facts, facts_lock.clone()), (marts, marts_lock.clone())], &run_id).await?;
        facts_lock.release().await?;
        marts_lock.release().await
    };
    let seen = async |world: &World| {
        let mut seen = Vec::new();
        for (name, count) in [("star/facts", 2), ("star/marts", 1)] {
            let rows = parquet_rows(&world.lake, &world.folder("gold", name)).await;
            assert_eq!(rows.len(), count, "{name}");
            assert!(rows.iter().all(|row| row["Total_spent_per_user"] == rows[0]["Total_spent_per_user"]));
            assert_eq!(rows[0]["event_date"], "2025-06-11");
            seen.push(rows[0]["Total_spent_per_user"].as_f64().unwrap());
        }
        seen
    };
    let prepare = async || {
        let world = World::new().await;
        refresh(&world.lake, 1.0).await.unwrap();
        world
    };
    for_each_crash_point(
        prepare,
        async |lake| refresh(lake, 2.0).await,
        async |world, _, case| {
            for value in seen(world).await {
                assert!([1.0, 2.0].contains(&value), "{case}");
            }
            refresh(&world.lake, 3.0).await.unwrap();
            assert_eq!(seen(world).await, [3.0, 3.0], "{case}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_stream_replaces_a_partition() {
    let world = World::new().await;
    let context = JobContext::detached(world.lake.clone(), "run-1");
    let partition = Partition::new(world.folder("gold", "fact_sales"), "date=2025-06-11");
    let lock = context.lock(&partition).await.unwrap();
    for value in [1.0, 2.0] {
        let rows = rows(&world.lake, value, &["2025-06-11"]).await;
        let success = publish_rows(&partition, rows, SETTINGS, &format!("{value}-run"), &lock).await.unwrap();
        assert_eq!((success.rows, success.files.len()), (Some(1), 1));
        let found = parquet_rows(&world.lake, &partition.folder()).await;
        assert_eq!((found.len(), &found[0]["Total_spent_per_user"]), (1, &json!(value)));
    }
    let files = partition.folder().data_objects().await.unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[tokio::test]
async fn a_table_has_one_writer_by_its_lock_and_quality_is_reported() {
    let world = World::new().await;
    let folder = world.folder("gold", "delta/t");
    let (one, other) =
        (JobContext::detached(world.lake.clone(), "run-1"), JobContext::detached(world.lake.clone(), "run-2"));
    let lock = one.lock_folder(&folder).await.unwrap();
    let refused = other.lock_folder(&folder).await.unwrap_err();
    assert_eq!(refused.code.as_str(), "CONCURRENT_RUNS_EXCEEDED");
    lock.release().await.unwrap();
    other.lock_folder(&folder).await.unwrap();
    let check = QualityCheck {
        table: "t".to_owned(),
        check: "key".to_owned(),
        status: QualityStatus::Warn,
        expected: json!(0),
        actual: json!(1),
        tolerance: json!(null),
        details: String::new(),
    };
    one.quality(check.clone());
    assert_eq!(serde_json::to_value(check).unwrap()["status"], "WARN");
}
