//! Crashes: gold is the old one or, after the next run has rolled the switch forward, the new one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tempfile::TempDir;
use workers::job::JobStatus;
use workers::jobs::star_schema::TABLES;
use workers::lake::{CrashPoint, Lake, Partition, PartitionLock};

use super::super::support::{JsonRows, World, expect, parquet_objects, rows_of_object};
use super::{Tables, build, gold_objects, load_texts, table, tables, verify};

const OWNER: &str = "--lock_owner=task-1";
const QUARANTINE: &str = "--QUARANTINE_BASE=s3://gold/quarantine";

const USERS: &str = "user_id,name,city,updated_at\nU1,One,Lima,2024-01-01\nU2,Two,Pune,2024-01-01\n";

/// Two silvers: gold is made of `old`, then of `new`, in which rows and a date have come and gone.
async fn two_silvers(lake: &Lake) {
    for (base, events, transactions) in [
        (
            "old",
            "event_id,user_id,ts,country\nE1,U1,2024-12-26 10:00:00,PE\nE2,U2,2024-12-27,DE\n",
            "tx_id,user_id,amount,status,created_at\nT1,U1,10.50,delivered,2024-12-26\n",
        ),
        (
            "new",
            "event_id,user_id,ts,country\nE2,U2,2024-12-27,DE\nE3,U9,2024-12-28,US\n,U1,2024-12-27,DE\n",
            "tx_id,user_id,amount,status,created_at\nT1,U1,10.50,delivered,2024-12-26\nT2,U2,20,pending,2024-12-28\n",
        ),
    ] {
        load_texts(lake, base, &[("events", events), ("users", USERS), ("transactions", transactions)]).await;
    }
}

const RATE: &str = "--max_null_event_id_rate=0.5";

/// A lake whose gold is the old one.
async fn old_gold() -> World {
    let world = World::new().await;
    two_silvers(&world.lake).await;
    expect(&build(&world.lake, "old", &[OWNER, QUARANTINE]).await, "OK", 0);
    world
}

/// The same lake at another place, for a run that changes it.
fn copy_of(lake: &Lake) -> (TempDir, Lake) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                copy(&from, &to);
            } else {
                std::fs::copy(from, to).unwrap();
            }
        }
    }
    let place = tempfile::tempdir().unwrap();
    for bucket in ["silver", "gold"] {
        copy(&lake.folder(bucket, "").unwrap().local_path().unwrap(), &place.path().join(bucket));
    }
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    (place, lake)
}

/// How gold is before and after the run that crashes.
struct Known {
    old: Tables,
    new: Tables,
    files: usize,
    read: Read,
}

/// The rows of files by their bytes. Most crashes leave most files as they were: the same bytes need no second look, which
/// would take longer than the runs.
#[derive(Default)]
struct Read(Mutex<HashMap<Bytes, JsonRows>>);

impl Read {
    /// All rows of all tables, as a reader finds them.
    async fn tables(&self, lake: &Lake) -> Tables {
        let mut found = Tables::new();
        for gold in TABLES {
            let folder = table(lake, gold.name);
            let mut rows = JsonRows::new();
            for name in parquet_objects(&folder).await {
                let bytes = folder.get(&name).await.unwrap();
                let known = self.0.lock().unwrap().get(&bytes).cloned();
                let of_file = match known {
                    Some(of_file) => of_file,
                    None => rows_of_object(lake, &folder, &name).await,
                };
                self.0.lock().unwrap().insert(bytes, of_file.clone());
                rows.extend(of_file);
            }
            found.insert(gold.name, rows);
        }
        found
    }
}

/// Crashes a run before a write, then lets others go on; whether the switch had begun.
async fn crash_at(start: &Lake, write: u64, known: &Known) -> bool {
    let Known { old, new, files, read } = known;
    let case = format!("crash at write {write}");
    let (_place, lake) = copy_of(start);
    let crashing = lake.with_crash_point(CrashPoint::fail_at(write));
    let crashed = build(&crashing, "new", &[OWNER, QUARANTINE, RATE]).await;
    assert_eq!(crashed.status, JobStatus::Failed, "{case}");
    for (name, rows) in read.tables(&lake).await {
        assert!(rows == old[name] || rows == new[name], "{case}: {name} is neither: {rows:#?}");
    }

    // A run that cannot do its own work still finishes the other's.
    expect(&build(&lake, "nowhere", &[OWNER, QUARANTINE]).await, "SILVER_INPUT_MISSING", 1);
    let after = read.tables(&lake).await;
    assert!(after == *old || after == *new, "{case}: {:#?}", which(&after, old, new));

    // What staging leaves behind is the same whichever of its writes is the last: every fourth is enough, as runs take time.
    if after == *new || write.is_multiple_of(4) {
        expect(&build(&lake, "new", &[OWNER, QUARANTINE, RATE]).await, "OK", 0);
        assert_eq!(read.tables(&lake).await, *new, "{case}");
        assert_eq!(gold_objects(&lake).await.len(), *files, "{case}: nothing is left over");
    }
    after == *new
}

/// Crash points tried side by side.
const LANES: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crash_before_any_write_leaves_all_old_or_is_rolled_forward_to_all_new() {
    let world = old_gold().await;
    let old = tables(&world.lake).await;
    let (_place, calm) = copy_of(&world.lake);
    let counting = calm.with_crash_point(CrashPoint::fail_at(0));
    expect(&build(&counting, "new", &[OWNER, QUARANTINE, RATE]).await, "OK", 0);
    let (new, files) = (tables(&calm).await, gold_objects(&calm).await.len());
    for (name, rows) in &old {
        assert!(["dim_users"].contains(name) || *rows != new[name], "{name} differs");
    }
    // The last writes give thirteen locks back, after the result is certain.
    let writes = counting.write_count() - 13;
    assert!(writes > 60, "{writes} writes");

    let known = Arc::new(Known { old, new, files, read: Read::default() });
    let lanes = (0..LANES).map(|lane| {
        let (start, known) = (world.lake.clone(), known.clone());
        tokio::spawn(async move {
            let mut switching = Vec::new();
            for write in (1 + lane..=writes).step_by(LANES as usize) {
                switching.push(crash_at(&start, write, &known).await);
            }
            switching
        })
    });
    let outcomes: Vec<bool> = futures::future::try_join_all(lanes).await.unwrap().concat();
    let forward = outcomes.iter().filter(|forward| **forward).count();
    assert!(forward >= 13 && outcomes.len() - forward > 20, "{forward} of {} in the switch", outcomes.len());
}

/// Which tables are the new ones, for the message.
fn which(found: &Tables, old: &Tables, new: &Tables) -> Vec<(&'static str, bool, bool)> {
    found.iter().map(|(name, rows)| (*name, *rows == old[name], *rows == new[name])).collect()
}

#[tokio::test]
async fn a_run_beside_another_is_refused_and_changes_nothing() {
    let world = old_gold().await;
    let before = tables(&world.lake).await;
    let partition = Partition::new(world.lake.folder("gold", "mart").unwrap(), "user_ltv");
    let lock = PartitionLock::acquire(&partition, "run-elsewhere").await.unwrap();
    let refused = build(&world.lake, "new", &[OWNER, RATE]).await;
    expect(&refused, "CONCURRENT_RUNS_EXCEEDED", 1);
    assert!(refused.message.contains("run-elsewhere") && refused.message.contains("user_ltv"), "{}", refused.message);
    assert_eq!(tables(&world.lake).await, before);
    lock.release().await.unwrap();
    expect(&build(&world.lake, "new", &[OWNER, RATE]).await, "OK", 0);
}

#[tokio::test]
async fn dates_that_no_longer_occur_go() {
    let world = old_gold().await;
    let dates =
        |objects: Vec<String>| objects.into_iter().filter(|name| name.contains("event_date=2024-12-26")).count();
    assert_eq!(dates(gold_objects(&world.lake).await), 1);
    expect(&build(&world.lake, "new", &[RATE]).await, "OK", 0);
    assert_eq!(dates(gold_objects(&world.lake).await), 0);
}

#[tokio::test]
async fn verification_finds_what_is_missing_or_does_not_agree() {
    let world = old_gold().await;
    expect(&verify(&world.lake).await, "OK", 0);
    let revenue = table(&world.lake, "daily_revenue");
    let active = table(&world.lake, "daily_active_users");
    let (of_revenue, of_active) = (first_file(&revenue).await, first_file(&active).await);

    let kept = revenue.get(&of_revenue).await.unwrap();
    revenue.put(&of_revenue, active.get(&of_active).await.unwrap()).await.unwrap();
    let wrong = verify(&world.lake).await;
    expect(&wrong, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(wrong.message.contains("daily_revenue"), "{}", wrong.message);

    // Of another day: the schema fits, the sums do not.
    let other = old_gold().await;
    expect(&build(&other.lake, "new", &[RATE]).await, "OK", 0);
    let foreign = table(&other.lake, "daily_revenue");
    revenue.put(&of_revenue, foreign.get(&first_file(&foreign).await).await.unwrap()).await.unwrap();
    let wrong = verify(&world.lake).await;
    expect(&wrong, "DQ_FAILED", 1);
    assert!(wrong.message.contains("revenue is the amounts with a date"), "{}", wrong.message);
    let failed = wrong.metrics["quality"].as_array().unwrap().iter().filter(|check| check["status"] == "FAIL").count();
    assert_eq!(failed, 2, "the count and the sum: {:#?}", wrong.metrics["quality"]);
    revenue.put(&of_revenue, kept).await.unwrap();
    expect(&verify(&world.lake).await, "OK", 0);

    for object in active.objects().await.unwrap() {
        active.delete(&object.name).await.unwrap();
    }
    let missing = verify(&world.lake).await;
    expect(&missing, "GOLD_OUTPUT_MISSING", 1);
    assert!(missing.message.contains("daily_active_users"), "{}", missing.message);
}

async fn first_file(folder: &workers::lake::Folder) -> String {
    folder.data_objects().await.unwrap().swap_remove(0).name
}
