//! The stream as a process of its own: `kill -9` between every two writes, SIGTERM between two batches.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::world::{ROOT, Txn, World, expect};

const WAIT_MAX: Duration = Duration::from_secs(60);

fn txn(id: &'static str, time: &'static str) -> Txn {
    Txn { id, time: Some(time), ..Txn::default() }
}

/// The stream's job on a world's lake.
fn stream(world: &World, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-under-test"));
    command
        .args(["job", "enrichment-gold-stream", &format!("--root={ROOT}"), "--optimize=false", "--lock_owner=task-1"])
        .args(more)
        .env("STEPWELL_LAKE", world.place.path())
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Two files of two days, each a commit of silver, a row without a date among them.
async fn prepared() -> World {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", "2025-06-11T10:00:00"), Txn { id: "t2", time: None, ..Txn::default() }]).await;
    world.ingest("b.json", &[txn("t3", "2025-06-12T10:00:00"), txn("t4", "2025-06-11T12:00:00")]).await;
    world
}

#[tokio::test]
async fn kill_9_between_any_two_writes_and_a_restart_give_the_tables_of_an_undisturbed_run() {
    let prepared = prepared().await;
    let calm = prepared.copy();
    assert!(stream(&calm, &[]).status().unwrap().success());
    let (gold, batches) = (calm.gold().await, calm.batches().await);
    assert_eq!(batches, [(Some(1), 2); 3], "two batches, each in each table once");
    let mut crashes = 0;
    for write in 1.. {
        let world = prepared.copy();
        let ended = stream(&world, &[]).env("STEPWELL_CRASH_AT_WRITE", write.to_string()).output().unwrap();
        if ended.status.success() {
            break;
        }
        assert_eq!(ended.status.code(), None, "write {write}: it aborts, it does not fail: {ended:?}");
        crashes += 1;
        let restarted = stream(&world, &[]).output().unwrap();
        let said = String::from_utf8_lossy(&restarted.stdout);
        assert!(restarted.status.success(), "write {write}: {said}");
        assert_eq!(world.gold().await, gold, "write {write}");
        assert_eq!(world.batches().await, batches, "write {write}: each batch once");
        for batch in [0, 1] {
            let bad = world.json_lines(&format!("bad_records/gold/batch_id={batch}")).await;
            assert_eq!(bad.len(), usize::from(batch == 0), "write {write}, batch {batch}: {bad:?}");
        }
        expect(&world.stream(&["--lock_owner=task-1"]).await, "IDEMPOTENT_SKIP", 0);
    }
    assert!(crashes >= 20, "only {crashes} writes: not every step was one");
}

/// Waits until there is something.
async fn until<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(began.elapsed() < WAIT_MAX, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The exit status and the result object of a process that is ending.
fn ended(mut child: Child) -> (Option<i32>, Value) {
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    (status.code(), said.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap()))
}

#[tokio::test]
async fn sigterm_ends_the_stream_between_two_batches_and_a_restart_goes_on() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", "2025-06-11T10:00:00")]).await;
    let child = stream(&world, &["--trigger=continuous", "--poll_secs=0.05"]).spawn().unwrap();
    let done = async |batch: i64| {
        let commit = world.json(&format!("checkpoints/gold/commits/{batch}.json")).await;
        (commit != Value::Null).then_some(())
    };
    until("the first batch", async || done(0).await).await;
    // It follows silver while it runs.
    world.ingest("b.json", &[txn("t2", "2025-06-11T11:00:00")]).await;
    until("the second batch", async || done(1).await).await;
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let (status, result) = ended(child);
    assert_eq!((status, &result["status"]), (Some(0), &json!("SUCCEEDED")), "{result}");
    assert_eq!((&result["metrics"]["stopped"], &result["metrics"]["batches"]), (&json!(true), &json!(2)), "{result}");

    world.ingest("c.json", &[txn("t3", "2025-06-12T10:00:00")]).await;
    // The lock was given back: anybody may go on.
    expect(&world.stream(&[]).await, "OK", 0);
    assert_eq!(world.batches().await, [(Some(2), 3); 3]);
    assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(3));
}

#[tokio::test]
async fn sigterm_while_waiting_for_silver_ends_well() {
    let world = World::new().await;
    let child = stream(&world, &["--trigger=continuous", "--wait_secs=30"]).spawn().unwrap();
    until("its lock", async || {
        let locks = world.folder("checkpoints/_locks").objects().await.unwrap();
        (!locks.is_empty()).then_some(())
    })
    .await;
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let (status, result) = ended(child);
    assert_eq!(status, Some(0), "{result}");
    assert!(result["message"].as_str().unwrap().contains("waiting for silver"), "{result}");
}
