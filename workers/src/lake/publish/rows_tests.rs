//! Publication of streams, and of several tables at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::tests::{Protocol, stage};
use super::*;
use crate::lake::{Column, CrashPoint, Kind, Lake, Table, column};

const COLUMNS: &[Column] = &[column("version", Kind::Int64), column("row", Kind::Int64), column("day", Kind::Text)];

/// Rows of a version, `per_day` on each of three days.
fn rows(version: i64, per_day: i64) -> Rows {
    let batches = ["2024-12-06", "2024-12-07", "2024-12-08"].into_iter().map(|day| {
        let numbers = Arc::new((0..per_day).collect::<Int64Array>()) as ArrayRef;
        let days = Arc::new((0..per_day).map(|_| Some(day)).collect::<StringArray>()) as ArrayRef;
        let versions = Arc::new((0..per_day).map(|_| Some(version)).collect::<Int64Array>()) as ArrayRef;
        RecordBatch::try_from_iter([("day", days), ("row", numbers), ("version", versions)]).unwrap()
    });
    Rows::of(COLUMNS, batches.collect())
}

fn header(frame: &DataFrame) -> Vec<&str> {
    frame.get_column_names().into_iter().map(|name| name.as_str()).collect()
}

fn lake() -> (tempfile::TempDir, Lake) {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    (place, lake)
}

/// A whole table as a partition of its parent.
fn table(lake: &Lake, name: &str) -> Partition {
    Partition::new(lake.folder("gold", "star").unwrap(), name)
}

async fn stage_as(protocol: Protocol, lake: &Lake, name: &str, version: i64, run_id: &str) -> Result<Staged, Error> {
    let source = Source::Rows { rows: rows(version, 2), split_by: None };
    stage(protocol, &table(lake, name), source, run_id).await
}

/// The version a reader finds; fails if it is none or a mixture.
async fn version(lake: &Lake, name: &str) -> Option<i64> {
    let read = table(lake, name).read().await.unwrap()?;
    assert_eq!(read.frame.height(), 6, "a whole table or none");
    let versions: BTreeSet<i64> = read.frame.column("version").unwrap().i64().unwrap().into_no_null_iter().collect();
    assert_eq!(versions.len(), 1, "one version only");
    versions.first().copied()
}

#[tokio::test]
async fn a_stream_is_cut_into_files_of_the_aimed_size_and_at_most_so_many() {
    let (_place, lake) = lake();
    let partition = Table::new(lake.folder("b", "t").unwrap()).partition("2024-12-07");
    let lock = PartitionLock::acquire(&partition, "task").await.unwrap();
    // 80 MiB: 3 files of at most 32 MiB, unless fewer are allowed.
    let wide = || {
        let batches = (0..10).map(|number| {
            let texts = (0..8_192).map(|row| Some(format!("{:01024}", number * 8_192 + row)));
            let texts = Arc::new(texts.collect::<StringArray>()) as ArrayRef;
            RecordBatch::try_from_iter([("day", texts)]).unwrap()
        });
        Rows::of(&COLUMNS[2..], batches.collect())
    };
    for (files_max, expected) in [(8, 3), (2, 2), (1, 1), (0, 1)] {
        let sizing = FileSizing { target_file_mb: 1, files_max };
        let settings = WriteSettings { codec: Codec::Uncompressed, sizing };
        let success = publish_rows(&partition, wide(), settings, &format!("{files_max:08}"), &lock).await.unwrap();
        assert_eq!(success.files.len(), expected, "at most {files_max}");
        assert_eq!(success.rows, Some(81_920));
        let counts: Vec<u64> = success.files.iter().map(|file| file.rows.unwrap()).collect();
        assert!(counts.iter().all(|count| count.abs_diff(counts[0]) <= 1), "near-equal files: {counts:?}");
        let read = partition.read().await.unwrap().unwrap().frame;
        let numbers =
            read.column("day").unwrap().str().unwrap().iter().map(|text| text.unwrap().parse::<u64>().unwrap());
        assert!(numbers.eq(0..81_920), "every row once and in order");
    }
}

#[tokio::test]
async fn no_rows_make_one_file_with_the_columns() {
    for protocol in [Protocol::Swap, Protocol::InPlace] {
        let (_place, lake) = lake();
        let source = Source::Rows { rows: Rows::of(COLUMNS, Vec::new()), split_by: None };
        let staged = stage(protocol, &table(&lake, "empty"), source, "11111111").await.unwrap();
        let lock = PartitionLock::acquire(&table(&lake, "empty"), "task").await.unwrap();
        let success = staged.switch(&lock).await.unwrap();
        assert_eq!((success.rows, success.files.len()), (Some(0), 1));
        let read = table(&lake, "empty").read().await.unwrap().unwrap().frame;
        assert_eq!((read.height(), header(&read)), (0, vec!["version", "row", "day"]));
    }
}

#[tokio::test]
async fn rows_are_split_into_sub_folders_that_keep_the_column() {
    for protocol in [Protocol::Swap, Protocol::InPlace] {
        let (_place, lake) = lake();
        let source = Source::Rows { rows: rows(1, 3), split_by: Some("day".to_owned()) };
        let staged = stage(protocol, &table(&lake, "facts"), source, "11111111").await.unwrap();
        let (folder, names) = staged.objects();
        assert_eq!(
            names,
            ["2024-12-06", "2024-12-07", "2024-12-08"].map(|day| format!("day={day}/part-00000-11111111.parquet"))
        );
        let found: Vec<String> = folder.data_objects().await.unwrap().into_iter().map(|object| object.name).collect();
        assert_eq!(found, names, "{protocol:?}");
        let lock = PartitionLock::acquire(&table(&lake, "facts"), "task").await.unwrap();
        staged.switch(&lock).await.unwrap();
        let read = table(&lake, "facts").read().await.unwrap().unwrap().frame;
        assert_eq!((read.height(), header(&read)), (9, vec!["version", "row", "day"]), "{protocol:?}");

        let mut batches = rows(1, 1).collect().await.unwrap();
        batches.extend(rows(2, 1).collect().await.unwrap());
        let twice = Rows::of(COLUMNS, batches);
        let source = Source::Rows { rows: twice, split_by: Some("day".to_owned()) };
        let error = stage(protocol, &table(&lake, "facts"), source, "22222222").await.unwrap_err();
        assert!(error.to_string().contains("order them by `day`"), "{error}");
        assert_eq!(table(&lake, "facts").read().await.unwrap().unwrap().frame.height(), 9, "untouched");
    }
}

#[tokio::test]
async fn a_crash_before_any_write_of_a_stream_leaves_old_or_new() {
    for protocol in [Protocol::Swap, Protocol::InPlace] {
        let put = async |lake: &Lake, version: i64| {
            let lock = PartitionLock::acquire(&table(lake, "facts"), "task").await?;
            let source = Source::Rows { rows: rows(version, 2), split_by: Some("day".to_owned()) };
            let run_id = format!("{version:08}");
            let success = stage(protocol, &table(lake, "facts"), source, &run_id).await?.switch(&lock).await?;
            lock.release().await?;
            Ok::<_, Error>(success)
        };
        let (_place, calm) = lake();
        put(&calm, 1).await.unwrap();
        let before = calm.write_count();
        put(&calm, 2).await.unwrap();
        let steps = calm.write_count() - before;
        assert!(steps >= 7, "{protocol:?}: {steps}");
        for step in 1..=steps {
            let case = format!("{protocol:?}, crash at write {step} of {steps}");
            let (_place, lake) = lake();
            put(&lake, 1).await.unwrap();
            let error = put(&lake.with_crash_point(CrashPoint::fail_at(step)), 2).await.unwrap_err();
            assert!(matches!(error, Error::Crashed { .. }), "{case}: {error}");
            let seen = version(&lake, "facts").await;
            assert!(seen == Some(1) || seen == Some(2), "{case}: {seen:?}");
            put(&lake, 3).await.unwrap();
            assert_eq!(version(&lake, "facts").await, Some(3), "{case}");
            assert_eq!(table(&lake, "facts").folder().data_objects().await.unwrap().len(), 3, "{case}: leftovers");
        }
    }
}

const TABLES: [&str; 3] = ["dim", "fact", "mart"];

/// What a job with several tables does: locks, what another left unfinished, staging, the switch.
async fn refresh(protocol: Protocol, lake: &Lake, version: i64) -> Result<usize, Error> {
    let mut locks = Vec::new();
    for name in TABLES {
        locks.push(PartitionLock::acquire(&table(lake, name), "task").await?);
    }
    let run_id = format!("{version:08}-run");
    let finished = finish_switch(lake, &lake.folder("gold", "star")?).await?.len();
    let mut staged = Vec::new();
    for (name, lock) in TABLES.into_iter().zip(&locks) {
        staged.push((stage_as(protocol, lake, name, version, &run_id).await?, lock.clone()));
    }
    switch_all(staged, &run_id).await?;
    for lock in locks {
        lock.release().await?;
    }
    Ok(finished)
}

#[tokio::test]
async fn several_tables_switch_all_or_are_rolled_forward_by_the_next_run() {
    for protocol in [Protocol::Swap, Protocol::InPlace] {
        let (_place, calm) = lake();
        refresh(protocol, &calm, 1).await.unwrap();
        let before = calm.write_count();
        assert_eq!(refresh(protocol, &calm, 2).await.unwrap(), 0, "nothing to finish");
        let steps = calm.write_count() - before;
        let mut ends = BTreeMap::<&str, u32>::new();
        for step in 1..=steps {
            let case = format!("{protocol:?}, crash at write {step} of {steps}");
            let (_place, lake) = lake();
            refresh(protocol, &lake, 1).await.unwrap();
            let crashed = refresh(protocol, &lake.with_crash_point(CrashPoint::fail_at(step)), 2).await;
            assert!(matches!(crashed, Err(Error::Crashed { .. })), "{case}");
            let intent = lake.folder("gold", "star").unwrap().get_optional("_staging/_switch.json").await.unwrap();
            let seen =
                [version(&lake, TABLES[0]).await, version(&lake, TABLES[1]).await, version(&lake, TABLES[2]).await];
            if seen.contains(&Some(1)) && seen.contains(&Some(2)) {
                assert!(intent.is_some(), "{case}: a mixture without an intent: {seen:?}");
            }
            // Rolling forward alone makes all of them new, once the switch has begun.
            let finished = finish_switch(&lake, &lake.folder("gold", "star").unwrap()).await.unwrap();
            for (at, name) in TABLES.into_iter().enumerate() {
                let expected = if intent.is_some() { Some(2) } else { seen[at] };
                assert_eq!(version(&lake, name).await, expected, "{case}: {name}");
            }
            assert_eq!(finished.len(), if intent.is_some() { 3 } else { 0 }, "{case}");
            *ends.entry(if intent.is_some() { "forward" } else { "untouched" }).or_default() += 1;

            assert_eq!(refresh(protocol, &lake, 3).await.unwrap(), 0, "{case}: finished once");
            for name in TABLES {
                assert_eq!(version(&lake, name).await, Some(3), "{case}: {name}");
                assert_eq!(table(&lake, name).folder().data_objects().await.unwrap().len(), 1, "{case}: {name}");
            }
        }
        assert!(ends["forward"] >= 4 && ends["untouched"] >= 4, "{protocol:?}: {ends:?}");
    }
}

#[tokio::test]
async fn without_one_of_the_locks_no_table_switches() {
    let (_place, lake) = lake();
    refresh(Protocol::Swap, &lake, 1).await.unwrap();
    let mut staged = Vec::new();
    for name in TABLES {
        let lock = PartitionLock::acquire(&table(&lake, name), "task").await.unwrap();
        staged.push((stage_as(Protocol::Swap, &lake, name, 2, "22222222").await.unwrap(), lock));
    }
    let _taken = PartitionLock::acquire(&table(&lake, "mart"), "task").await.unwrap();
    assert!(matches!(switch_all(staged, "22222222").await, Err(Error::LockLost { .. })));
    for name in TABLES {
        assert_eq!(version(&lake, name).await, Some(1), "{name}");
    }
}

#[tokio::test]
async fn a_switch_whose_staged_files_are_gone_leaves_the_old_table() {
    let (_place, lake) = lake();
    refresh(Protocol::Swap, &lake, 1).await.unwrap();
    let calm = lake.write_count();
    let (_other, counted) = self::lake();
    refresh(Protocol::Swap, &counted, 1).await.unwrap();
    assert_eq!(counted.write_count(), calm);
    // The last writes of a run: three locks given back, the intent deleted, a staging folder removed, a switch.
    let before = counted.write_count();
    refresh(Protocol::Swap, &counted, 2).await.unwrap();
    let steps = counted.write_count() - before;
    let crashing = lake.with_crash_point(CrashPoint::fail_at(steps - 5));
    refresh(Protocol::Swap, &crashing, 2).await.unwrap_err();
    assert_eq!(version(&lake, "mart").await, Some(1), "its switch was still to come");
    std::fs::remove_dir_all(lake.folder("gold", "star/_staging/mart").unwrap().local_path().unwrap()).unwrap();
    let finished = finish_switch(&lake, &lake.folder("gold", "star").unwrap()).await.unwrap();
    assert_eq!((finished.len(), version(&lake, "mart").await), (2, Some(1)));
    assert_eq!(refresh(Protocol::Swap, &lake, 3).await.unwrap(), 0, "the intent is gone");
}
