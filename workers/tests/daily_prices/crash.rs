use workers::job::JobStatus;
use workers::lake::{CrashPoint, PartitionLock};

use super::support::{World, expect, rows, run};

const DS: &str = "2012-05-18";
const OWNER: &str = "--lock_owner=task-1";

/// A lake with a published day whose raw data have changed since.
async fn changed_day() -> World {
    let world = World::new().await;
    world.add_day(DS).await;
    expect(&world.compact(DS, &[]).await, "OK", 0);
    expect(&world.transform(DS, &[]).await, "OK", 0);
    world.add(DS, "Z.json", r#"{"symbol":"Z","timestamp":"2012-05-18","open":1,"high":1,"low":1,"close":1}"#).await;
    world
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_job_leaves_old_or_new_and_a_retry_finishes() {
    for job in ["daily-prices-compaction", "daily-prices-data-etl"] {
        let calm = changed_day().await;
        if job == "daily-prices-data-etl" {
            expect(&calm.compact(DS, &[]).await, "OK", 0);
        }
        let counting = calm.lake.with_crash_point(CrashPoint::fail_at(0));
        expect(&run(&counting, job, DS, &[OWNER]).await, "OK", 0);
        // The last write gives the lock back, after the result is certain.
        let writes = counting.write_count() - 1;
        assert!(writes >= 5, "{job}: {writes} writes");

        for write in 1..=writes {
            let case = format!("{job}, crash at write {write} of {writes}");
            let world = changed_day().await;
            let mut partition = world.compacted(DS);
            if job == "daily-prices-data-etl" {
                expect(&world.compact(DS, &[]).await, "OK", 0);
                partition = world.curated(DS);
            }
            let old = rows(&partition).await;
            let crashing = world.lake.with_crash_point(CrashPoint::fail_at(write));
            let crashed = run(&crashing, job, DS, &[OWNER]).await;
            assert_eq!(crashed.status, JobStatus::Failed, "{case}");
            let seen = rows(&partition).await;
            assert!(seen.equals_missing(&old) || seen.height() == 5, "{case}: {seen}");

            let retried = run(&world.lake, job, DS, &[OWNER]).await;
            assert_eq!(retried.code, "OK", "{case}: {}", retried.message);
            assert_eq!(rows(&partition).await.height(), 5, "{case}");
            let files = partition.folder().data_objects().await.unwrap();
            assert_eq!(files.len(), 1, "{case}: {files:?}");
        }
    }
}

#[tokio::test]
async fn a_run_on_a_partition_in_work_is_refused_and_names_the_other() {
    let world = changed_day().await;
    for (partition, job) in
        [(world.compacted(DS), "daily-prices-compaction"), (world.curated(DS), "daily-prices-data-etl")]
    {
        let lock = PartitionLock::acquire(&partition, "run-elsewhere").await.unwrap();
        let refused = run(&world.lake, job, DS, &[OWNER]).await;
        expect(&refused, "CONCURRENT_RUNS_EXCEEDED", 1);
        assert!(refused.message.contains("run-elsewhere") && refused.message.contains(DS), "{}", refused.message);
        assert_eq!(rows(&partition).await.height(), 4, "untouched");
        lock.release().await.unwrap();
        expect(&run(&world.lake, job, DS, &[OWNER]).await, "OK", 0);
    }
}

#[tokio::test]
async fn many_runs_at_once_end_in_success_or_refusal_and_one_whole_partition() {
    let world = changed_day().await;
    let runs = (0..6).map(|_| world.compact(DS, &[]));
    let results = futures::future::join_all(runs).await;
    let codes: Vec<&str> = results.iter().map(|result| result.code.as_str()).collect();
    assert!(codes.contains(&"OK"), "{codes:?}");
    assert!(codes.iter().all(|code| ["OK", "CONCURRENT_RUNS_EXCEEDED"].contains(code)), "{codes:?}");
    assert_eq!(rows(&world.compacted(DS)).await.height(), 5);
    assert_eq!(world.compacted(DS).folder().data_objects().await.unwrap().len(), 1);
}
