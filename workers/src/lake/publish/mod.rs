//! Replacing a partition so that a reader sees the old one or the new one.
//!
//! Two protocols, one promise: at every instant, and after a crash before any write, [`super::Partition::read`] finds
//! the whole old partition or the whole new one (or, for a first publication, nothing).
//!
//! - `swap` (Linux file systems): the new partition, `_SUCCESS` included, is written beside the old one and the two
//!   folders exchange names in one system call. Readers that know nothing of `_SUCCESS` see old or new as well.
//! - `in_place` (object stores; file systems that cannot exchange): new files get names nobody reads yet, then
//!   `_SUCCESS` is replaced, which is the one atomic step, then the old files go. A reader that globs `*.parquet` instead
//!   of reading `_SUCCESS` can see both sets for the moment between first file and last deletion: an object store has
//!   no step that would spare it that.
//!
//! What a crashed attempt leaves lies under `_staging/<partition>/` or is not named by `_SUCCESS`; the next
//! publication of the partition removes it. The caller holds the partition's lock.

mod in_place;
mod swap;

use chrono::Utc;
use polars::prelude::DataFrame;

use super::success::audit_time;
use super::write::file_slice;
use super::{Codec, Error, FileSizing, Partition, PartitionLock, Success, SuccessFile, encode_parquet};

/// The hidden folder of a table in which attempts work, one sub-folder per partition.
pub(super) const STAGING: &str = "_staging";

/// Marks, in the partition's staging folder, an `in_place` publication in progress: without it, the data files of a
/// first, crashed publication into a table without any `_SUCCESS` would look like a partition put there by others.
pub(super) const INTENT: &str = "_intent";

/// How the files are written.
#[derive(Clone, Copy, Debug)]
pub struct WriteSettings {
    /// Compression of the pages.
    pub codec: Codec,
    /// Number of files.
    pub sizing: FileSizing,
}

/// Replaces the partition by `frame`'s rows, in their order.
///
/// The same rows and settings give the same number of files with the same rows; only names, which carry the first 8
/// characters of `run_id`, and times differ.
///
/// # Errors
/// [`Error::LockLost`] before anything is visible, [`Error::Encode`], [`Error::Storage`]. After an error the old
/// partition is still what readers find, unless the fault came while old files were being removed.
pub async fn publish(
    partition: &Partition,
    frame: DataFrame,
    settings: WriteSettings,
    run_id: &str,
    lock: &PartitionLock,
) -> Result<Success, Error> {
    let attempt = Attempt { partition, frame, settings, run_id, lock };
    match partition.folder().local_path() {
        Some(path) if swap::supported(&path) => swap::publish(attempt).await,
        _ => in_place::publish(attempt).await,
    }
}

/// One publication in progress.
struct Attempt<'a> {
    partition: &'a Partition,
    frame: DataFrame,
    settings: WriteSettings,
    run_id: &'a str,
    lock: &'a PartitionLock,
}

impl Attempt<'_> {
    /// Encodes file after file and hands each to `write`, so that only one is in memory beside the rows.
    async fn write_files<W, F>(&self, mark: &str, mut write: W) -> Result<Success, Error>
    where
        W: FnMut(String, Vec<u8>) -> F,
        F: Future<Output = Result<(), Error>>,
    {
        let uri = self.partition.uri();
        let (frame, WriteSettings { codec, sizing }) = (self.frame.clone(), self.settings);
        let count = blocking(&uri, {
            let uri = uri.clone();
            move || sizing.files(&uri, &frame, codec)
        })
        .await?;
        let mut files = Vec::with_capacity(count);
        for index in 0..count {
            let slice = file_slice(&self.frame, index, count);
            let name = format!("part-{index:05}-{mark}.parquet");
            let rows = slice.height() as u64;
            let place = format!("{uri}/{name}");
            let bytes = blocking(&uri, move || encode_parquet(&place, &slice, codec)).await?;
            files.push(SuccessFile { name: name.clone(), rows: Some(rows), bytes: bytes.len() as u64 });
            write(name, bytes).await?;
        }
        Ok(Success {
            run_id: self.run_id.to_owned(),
            written_at: audit_time(Utc::now()),
            rows: Some(self.frame.height() as u64),
            files,
        })
    }

    /// The part of file names that tells runs apart.
    fn mark(&self) -> String {
        self.run_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
    }
}

/// Runs heavy or blocking work off the async threads.
pub(super) async fn blocking<T, F>(uri: &str, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::storage("write", uri, error))?
}

#[cfg(test)]
mod tests;
