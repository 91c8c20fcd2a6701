use std::collections::BTreeSet;
use std::sync::Arc;

use polars::prelude::{DataFrame, ParquetReader, SerReader, df};

use super::*;
use crate::lake::{CrashPoint, Folder, Lake, PartitionState, Table, encode_parquet};

pub(super) const SETTINGS: WriteSettings =
    WriteSettings { codec: Codec::Zstd, sizing: FileSizing { target_file_mb: 32, files_max: 4 } };

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Protocol {
    Swap,
    InPlace,
}

/// What is in the partition before.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    Published,
    OthersFiles,
}

async fn put(protocol: Protocol, lake: &Lake, rows: DataFrame, run_id: &str) -> Result<Success, Error> {
    let partition = partition(lake);
    let lock = PartitionLock::acquire(&partition, "task").await?;
    let success = stage(protocol, &partition, Source::Frame(rows), run_id).await?.switch(&lock).await?;
    lock.release().await?;
    Ok(success)
}

/// What `stage_rows` does, by the given protocol.
pub(super) async fn stage(
    protocol: Protocol,
    partition: &Partition,
    source: Source,
    run_id: &str,
) -> Result<Staged, Error> {
    let attempt = Attempt { partition, settings: SETTINGS, run_id };
    match protocol {
        Protocol::Swap => swap::stage(&attempt, source).await,
        Protocol::InPlace => in_place::stage(&attempt, source).await,
    }
}

fn partition(lake: &Lake) -> Partition {
    Table::new(lake.folder("b", "t").unwrap()).partition("2024-12-07")
}

fn rows(version: i64) -> DataFrame {
    df!("version" => vec![version; 5], "row" => (0..5i64).collect::<Vec<_>>()).unwrap()
}

/// The versions a reader that only globs `*.parquet` finds.
async fn globbed(folder: &Folder) -> BTreeSet<i64> {
    let mut versions = BTreeSet::new();
    for object in folder.data_objects().await.unwrap().iter().filter(|object| object.name.ends_with(".parquet")) {
        let bytes = folder.get(&object.name).await.unwrap();
        let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
        versions.extend(frame.column("version").unwrap().i64().unwrap().into_no_null_iter());
    }
    versions
}

async fn prepare(protocol: Protocol, lake: &Lake, before: Before) -> Option<i64> {
    match before {
        Before::Nothing => None,
        Before::Published => {
            put(protocol, lake, rows(1), "11111111-run").await.unwrap();
            Some(1)
        }
        Before::OthersFiles => {
            let bytes = encode_parquet("x", &rows(1), Codec::Snappy).unwrap();
            partition(lake).folder().put("from-elsewhere.parquet", bytes).await.unwrap();
            Some(1)
        }
    }
}

async fn found(lake: &Lake) -> Option<i64> {
    let read = partition(lake).read().await.unwrap()?;
    assert_eq!(read.frame.height(), 5, "a whole partition or none");
    let version = read.frame.column("version").unwrap().i64().unwrap().get(0);
    assert!(read.frame.equals(&rows(version.unwrap())), "one version only");
    version
}

#[tokio::test]
async fn a_crash_before_any_write_leaves_old_or_new_and_the_next_run_repairs_it() {
    for protocol in [Protocol::Swap, Protocol::InPlace] {
        for before in [Before::Nothing, Before::Published, Before::OthersFiles] {
            let calm = tempfile::tempdir().unwrap();
            let lake = Lake::at(calm.path().to_str().unwrap()).unwrap();
            prepare(protocol, &lake, before).await;
            let writes = lake.write_count();
            put(protocol, &lake, rows(2), "22222222-run").await.unwrap();
            let steps = lake.write_count() - writes;
            assert!(steps >= 5, "{protocol:?} {before:?}: {steps} steps");

            for step in 1..=steps {
                let case = format!("{protocol:?} {before:?}, crash at write {step} of {steps}");
                let place = tempfile::tempdir().unwrap();
                let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
                let old = prepare(protocol, &lake, before).await;
                let crashing = lake.with_crash_point(CrashPoint::fail_at(step));
                let error = put(protocol, &crashing, rows(2), "22222222-run").await.unwrap_err();
                assert!(matches!(error, Error::Crashed { .. }), "{case}: {error}");

                let after = found(&lake).await;
                assert!(after == old || after == Some(2), "{case}: found {after:?}");
                if protocol == Protocol::Swap {
                    let seen: Vec<i64> = globbed(&partition(&lake).folder()).await.into_iter().collect();
                    assert_eq!(seen, Vec::from_iter(after), "{case}: a reader that globs");
                }

                put(protocol, &lake, rows(3), "33333333-run").await.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(found(&lake).await, Some(3), "{case}");
                assert_eq!(Vec::from_iter(globbed(&partition(&lake).folder()).await), [3], "{case}: leftovers");
                let objects = lake.folder("b", "t").unwrap().objects().await.unwrap();
                let staged: Vec<_> = objects.iter().filter(|object| object.name.starts_with(STAGING)).collect();
                assert!(staged.is_empty(), "{case}: {staged:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_reader_never_sees_a_mix_while_partitions_are_replaced() {
    for protocol in [Protocol::Swap, Protocol::InPlace] {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        put(protocol, &lake, rows(0), "run-0").await.unwrap();
        let writer = {
            let lake = lake.clone();
            async move {
                for version in 1..=25 {
                    put(protocol, &lake, rows(version), &format!("{version:08}")).await.unwrap();
                }
            }
        };
        let reader = async {
            let mut last = Some(0);
            while last < Some(25) {
                let now = found(&lake).await;
                assert!(now >= last, "{protocol:?}: {now:?} after {last:?}");
                last = now;
            }
        };
        tokio::join!(writer, reader);
    }
}

#[tokio::test]
async fn a_run_id_used_again_does_not_touch_the_files_readers_are_sent_to() {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    let first = put(Protocol::InPlace, &lake, rows(1), "same").await.unwrap();
    let second = put(Protocol::InPlace, &lake, rows(2), "same").await.unwrap();
    assert_ne!(first.files[0].name, second.files[0].name);
    assert_eq!(found(&lake).await, Some(2));
}

#[tokio::test]
async fn without_the_lock_nothing_is_published() {
    for protocol in [Protocol::Swap, Protocol::InPlace] {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        put(protocol, &lake, rows(1), "11111111").await.unwrap();
        let partition = partition(&lake);
        let lost: Arc<PartitionLock> = PartitionLock::acquire(&partition, "task").await.unwrap();
        let _taken_over = PartitionLock::acquire(&partition, "task").await.unwrap();
        let staged = stage(protocol, &partition, Source::Frame(rows(9)), "99999999").await.unwrap();
        let error = staged.switch(&lost).await;
        assert!(matches!(error, Err(Error::LockLost { .. })), "{protocol:?}");
        assert_eq!(found(&lake).await, Some(1), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_partition_without_success_is_complete_only_in_a_table_without_any() {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    let table = Table::new(lake.folder("b", "t").unwrap());
    let half = table.partition("2024-12-06");
    assert_eq!(half.state().await.unwrap(), PartitionState::Absent);
    let bytes = encode_parquet("x", &rows(1), Codec::Zstd).unwrap();
    half.folder().put("part-00000-aaaaaaaa.parquet", bytes).await.unwrap();
    assert!(matches!(half.state().await.unwrap(), PartitionState::Legacy(files) if files.len() == 1));
    put(Protocol::Swap, &lake, rows(2), "22222222").await.unwrap();
    assert!(matches!(half.state().await.unwrap(), PartitionState::Incomplete(_)));
    assert!(half.read().await.unwrap().is_none());
    half.folder().put("_SUCCESS", "").await.unwrap();
    assert_eq!(half.read().await.unwrap().unwrap().frame.height(), 5, "an empty _SUCCESS means all files");
    assert_eq!(table.days().await.unwrap(), ["2024-12-06", "2024-12-07"]);
}
