//! A crash between any two writes, in process. Source: pipelines.md 4.4, 5 and 6; 6.2, "crash while writing".

use serde_json::json;
use workers::job::JobStatus;
use workers::lake::CrashPoint;

use super::world::{Txn, World, expect, run_on};

const OWNER: &str = "--lock_owner=task-1";

fn txn(id: &'static str, time: &'static str) -> Txn {
    Txn { id, time: Some(time), ..Txn::default() }
}

async fn raw() -> World {
    let world = World::new().await;
    let lines = super::world::lines(&[txn("t1", "2025-06-11T10:00:00"), Txn { time: None, ..txn("t2", "") }]);
    world.deliver("a.json", &format!("{lines}no json\n")).await;
    world.deliver("b.json", &super::world::lines(&[txn("t3", "2025-06-12T10:00:00")])).await;
    world
}

#[tokio::test]
async fn silver_has_each_file_once_wherever_its_job_dies() {
    let prepared = raw().await;
    let calm = prepared.copy();
    let counting = calm.lake.with_crash_point(CrashPoint::fail_at(0));
    expect(&run_on(&counting, "enrichment-silver", &[OWNER]).await, "OK", 0);
    // The last write gives the lock back.
    let writes = counting.write_count() - 1;
    assert!(writes >= 6, "{writes} writes");
    let rows = "select * from silver order by transaction_id";
    let expected = calm.query(rows).await;
    for write in 1..=writes {
        let world = prepared.copy();
        let crashing = world.lake.with_crash_point(CrashPoint::fail_at(write));
        let crashed = run_on(&crashing, "enrichment-silver", &[OWNER]).await;
        assert_eq!(crashed.status, JobStatus::Failed, "write {write} of {writes}");
        let again = world.run("enrichment-silver", &[OWNER]).await;
        assert!(["OK", "IDEMPOTENT_SKIP"].contains(&again.code.as_str()), "write {write}: {}", again.message);
        assert_eq!(world.query(rows).await, expected, "write {write} of {writes}");
        assert_eq!(world.json_lines("bad_records/silver").await.len(), 1, "write {write} of {writes}");
    }
}

#[tokio::test]
async fn maintenance_can_die_anywhere_and_be_run_again() {
    let prepared = World::new().await;
    prepared.ingest("a.json", &[txn("t1", "2025-06-11T10:00:00"), txn("t2", "2025-06-12T10:00:00")]).await;
    expect(&prepared.stream(&[]).await, "OK", 0);
    let gold = prepared.gold().await;
    let short = ["--vacuum_hours=0", "--allow_short_retention=true", OWNER];
    let calm = prepared.copy();
    let counting = calm.lake.with_crash_point(CrashPoint::fail_at(0));
    expect(&run_on(&counting, "enrichment-maintenance", &short).await, "OK", 0);
    // The last three writes give the tables' locks back.
    let writes = counting.write_count() - 3;
    for write in 1..=writes {
        let world = prepared.copy();
        let crashing = world.lake.with_crash_point(CrashPoint::fail_at(write));
        run_on(&crashing, "enrichment-maintenance", &short).await;
        assert_eq!(world.gold().await, gold, "write {write} of {writes}");
        let again = world.run("enrichment-maintenance", &short).await;
        assert_eq!(again.exit_status(), 0, "write {write}: {}", again.message);
        assert_eq!(world.gold().await, gold, "write {write} of {writes}");
    }
}

#[tokio::test]
async fn a_batch_that_died_is_finished_also_when_silver_has_gone_on() {
    let prepared = raw().await;
    expect(&prepared.run("enrichment-silver", &[]).await, "OK", 0);
    let counting_world = prepared.copy();
    let counting = counting_world.lake.with_crash_point(CrashPoint::fail_at(0));
    let stream = ["--optimize=false", "--wait_retries=0", OWNER];
    expect(&run_on(&counting, "enrichment-gold-stream", &stream).await, "OK", 0);
    let writes = counting.write_count() - 1;
    let late = txn("t9", "2025-06-11T12:00:00");
    let calm = prepared.copy();
    calm.ingest("z.json", std::slice::from_ref(&late)).await;
    expect(&calm.stream(&[]).await, "OK", 0);
    let expected = calm.gold().await;
    for write in (1..=writes).step_by(3) {
        let world = prepared.copy();
        let crashing = world.lake.with_crash_point(CrashPoint::fail_at(write));
        let crashed = run_on(&crashing, "enrichment-gold-stream", &stream).await;
        assert_eq!(crashed.status, JobStatus::Failed, "write {write} of {writes}");
        world.ingest("z.json", std::slice::from_ref(&late)).await;
        expect(&run_on(&world.lake, "enrichment-gold-stream", &stream).await, "OK", 0);
        assert_eq!(world.gold().await, expected, "write {write} of {writes}");
        assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(3));
    }
}
