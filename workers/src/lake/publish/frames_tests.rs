use polars::prelude::{DataFrame, df};

use super::*;
use crate::lake::{Lake, Table};

const WRITE: fn(u64) -> WriteSettings =
    |files_max| WriteSettings { codec: Codec::Uncompressed, sizing: FileSizing { target_file_mb: 32, files_max } };

/// The bytes of the files a publication left, in order.
async fn published(lake: &Lake, name: &str, frames: &Frames, files_max: u64) -> (Success, Vec<bytes::Bytes>) {
    let partition = Table::new(lake.folder("t", name).unwrap()).partition("2024-01-01");
    let lock = PartitionLock::acquire(&partition, "me").await.unwrap();
    let success = publish_frames(&partition, frames, WRITE(files_max), "abcdefgh", &lock).await.unwrap();
    lock.release().await.unwrap();
    let mut files = Vec::new();
    for file in &success.files {
        files.push(partition.folder().get(&file.name).await.unwrap());
    }
    (success, files)
}

fn rows(count: usize, width: usize) -> DataFrame {
    let texts: Vec<Option<String>> = (0..count).map(|n| (n % 7 != 0).then(|| format!("{n:-<width$}"))).collect();
    let numbers: Vec<Option<f64>> = (0..count).map(|n| (n % 5 != 0).then_some(n as f64 * 0.5)).collect();
    df!("text" => texts, "number" => numbers).unwrap()
}

/// Neither the pieces that rows come in nor their number per piece can be seen in the files.
#[tokio::test]
async fn frames_become_the_very_files_of_one_frame() {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    // Two row groups, and two files, among others.
    for (count, width, piece, files_max, files) in [
        (0, 9, 1, 4, 1),
        (1, 9, 1, 4, 1),
        (70_000, 9, 999, 4, 1),
        (300_000, 200, 50_000, 4, 2),
        (300_000, 200, 70_001, 1, 1),
        (700_000, 9, 300_000, 4, 1),
    ] {
        let whole = rows(count, width);
        let pieces: Vec<DataFrame> = (0..count).step_by(piece).map(|at| whole.slice(at as i64, piece)).collect();
        let streamed =
            Frames::opened(count as u64, whole.slice(0, 0), move || Box::new(pieces.clone().into_iter().map(Ok)));
        let (success, held) = published(&lake, "held", &Frames::held(whole), files_max).await;
        let (other, bytes) = published(&lake, "streamed", &streamed, files_max).await;
        assert_eq!((success.files.len(), success.rows), (files, Some(count as u64)), "{count} rows");
        assert_eq!((success.files, success.rows), (other.files, other.rows), "{count} rows");
        assert!(held == bytes, "{count} rows: the bytes differ");
    }
}

#[tokio::test]
async fn rows_that_end_early_or_fail_publish_nothing() {
    let place = tempfile::tempdir().unwrap();
    let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
    let partition = Table::new(lake.folder("t", "x").unwrap()).partition("2024-01-01");
    let lock = PartitionLock::acquire(&partition, "me").await.unwrap();
    let short = Frames::opened(100, rows(0, 9), || Box::new(std::iter::once(Ok(rows(99, 9)))));
    let failing = Frames::opened(100, rows(0, 9), || {
        Box::new([Ok(rows(99, 9)), Err(Error::NotFound { uri: "gone".into() })].into_iter())
    });
    for (frames, part) in [(short, "ended before the last"), (failing, "`gone` does not exist")] {
        let error = publish_frames(&partition, &frames, WRITE(4), "abcdefgh", &lock).await.unwrap_err();
        assert!(error.chain().contains(part), "{}", error.chain());
        assert!(partition.read().await.unwrap().is_none());
    }
}
