//! A crash before any write: partitions stay whole, and the next attempt repairs what is left.

use serde_json::json;
use workers::job::JobStatus;
use workers::lake::PartitionLock;

use super::super::support::{World, expect, for_each_crash_point};
use super::{compact, deliver, file, gold, ingest, metrics, names, summary};

const DAYS: [&str; 2] = ["2024-12-07", "2024-12-08"];
const CHANGES: &[&str] = &["--detect_changes=true"];

fn sale(id: &str, day: &str) -> String {
    format!("{id},S1,{day},I1,Toys,1,2,2,Card,C1")
}

fn sales(ids: &[&str]) -> String {
    let rows: Vec<String> = ids.iter().flat_map(|id| DAYS.map(|day| sale(&format!("{id}-{day}"), day))).collect();
    file(&rows.iter().map(String::as_str).chain(["T9,S1,never,I1,Toys,1,2,2,Card,C1"]).collect::<Vec<_>>())
}

/// Both days in gold with one sale each, and a file with two more of each day that has just arrived.
async fn one_more_file() -> World {
    let world = World::new().await;
    deliver(&world, "a.csv", sales(&["A"])).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    expect(&compact(&world.lake, &[]).await, "OK", 0);
    deliver(&world, "b.csv", sales(&["B", "C"])).await;
    world
}

async fn counts(world: &World) -> Vec<usize> {
    vec![gold(world, DAYS[0]).await.len(), gold(world, DAYS[1]).await.len()]
}

#[tokio::test]
async fn an_ingestion_that_crashes_anywhere_shows_all_of_a_file_or_nothing_and_is_finished_by_the_next() {
    for_each_crash_point(
        one_more_file,
        async |lake| ingest(lake, &[]).await,
        async |world, _, case| {
            let mut seen = [names(world, "raw").await, names(world, "validated").await].concat();
            seen.extend(names(world, "archive/validated").await.into_iter().filter(|name| name.starts_with("b.csv")));
            assert!(!seen.is_empty(), "{case}: the file is somewhere");
            // Whoever reads now sees both days with the file's sales, or neither.
            let read = compact(&world.lake, CHANGES).await;
            expect(&read, "OK", 0);
            let between = counts(world).await;
            assert!(between == [1, 1] || between == [3, 3], "{case}: {between:?}");

            let next = ingest(&world.lake, &[]).await;
            assert!(["OK", "NO_RAW_DATA"].contains(&next.code.as_str()), "{case}: {}", next.message);
            for zone in ["raw", "validated", "processed/_ingestion"] {
                assert_eq!(names(world, zone).await, [""; 0], "{case}: {zone}");
            }
            let archived = names(world, "archive/validated").await;
            assert!(archived.iter().any(|name| name.starts_with("b.csv")), "{case}: {archived:?}");
            assert_eq!(names(world, "rejected/data_quality/json").await.len(), 2, "{case}: rejects of both files");
            assert_eq!(names(world, "processed").await.len(), 4, "{case}: two days of two files");
            expect(&compact(&world.lake, CHANGES).await, "OK", 0);
            assert_eq!(counts(world).await, [3, 3], "{case}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_compaction_that_crashes_anywhere_leaves_each_partition_old_or_new_and_is_finished_by_the_next() {
    let prepare = async || {
        let world = one_more_file().await;
        expect(&ingest(&world.lake, &[]).await, "OK", 0);
        world
    };
    for_each_crash_point(
        prepare,
        async |lake| compact(lake, CHANGES).await,
        async |world, crashed, case| {
            for (day, count) in DAYS.iter().zip(counts(world).await) {
                assert!(count == 1 || count == 3, "{case}: {count} sales of {day}");
            }
            if crashed.status == JobStatus::Succeeded {
                assert_eq!(counts(world).await, [3, 3], "{case}");
            }
            expect(&compact(&world.lake, CHANGES).await, "OK", 0);
            assert_eq!(counts(world).await, [3, 3], "{case}");
            for day in DAYS {
                let audit = metrics(world, day).await;
                assert_eq!(
                    (&audit["status"], &audit["rows_after_dedup"]),
                    (&json!("written"), &json!(3)),
                    "{case}: {audit:#}"
                );
                let folder = world.folder("curated", &format!("gold/fact_sales/date={day}"));
                assert_eq!(folder.data_objects().await.unwrap().len(), 1, "{case}: nothing is left over");
                let left = names(world, &format!("audit/gold_compaction/date={day}")).await;
                assert_eq!(left, ["metrics.json"], "{case}");
            }
            assert!(summary(world).await["results"].is_array(), "{case}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_first_publication_that_crashed_is_found_without_being_told() {
    let prepare = async || {
        let world = World::new().await;
        deliver(&world, "a.csv", sales(&["A"])).await;
        expect(&ingest(&world.lake, &[]).await, "OK", 0);
        world
    };
    for_each_crash_point(
        prepare,
        async |lake| compact(lake, &[]).await,
        async |world, _, case| {
            for count in counts(world).await {
                assert!(count <= 1, "{case}");
            }
            expect(&compact(&world.lake, &[]).await, "OK", 0);
            assert_eq!(counts(world).await, [1, 1], "{case}");
            for day in DAYS {
                assert_eq!(metrics(world, day).await["status"], "written", "{case}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn runs_beside_others_are_refused_and_name_them() {
    let world = one_more_file().await;
    let base = world.folder("sales", "");
    let lock =
        PartitionLock::acquire(&workers::lake::Partition::new(base, "ingestion"), "run-elsewhere").await.unwrap();
    let refused = ingest(&world.lake, &[]).await;
    expect(&refused, "CONCURRENT_RUNS_EXCEEDED", 1);
    assert!(refused.message.contains("run-elsewhere"), "{}", refused.message);
    lock.release().await.unwrap();
    expect(&ingest(&world.lake, &[]).await, "OK", 0);

    let gold_table = world.folder("curated", "gold/fact_sales");
    let partition = workers::lake::Partition::new(gold_table, &format!("date={}", DAYS[0]));
    let lock = PartitionLock::acquire(&partition, "run-elsewhere").await.unwrap();
    let partial = compact(&world.lake, CHANGES).await;
    expect(&partial, "CONCURRENT_RUNS_EXCEEDED", 3);
    assert_eq!(counts(&world).await, [1, 3], "the other day went through");
    assert_eq!(summary(&world).await["results"][0]["status"], "write_failed");
    assert_eq!(metrics(&world, DAYS[0]).await["status"], "written", "its audit is the other run's");
    let alone = compact(&world.lake, CHANGES).await;
    expect(&alone, "CONCURRENT_RUNS_EXCEEDED", 1);
    lock.release().await.unwrap();
    expect(&compact(&world.lake, CHANGES).await, "OK", 0);
    assert_eq!(counts(&world).await, [3, 3]);
}
