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
//! Both have two halves: [`Staged`] is what is written and not yet visible; its switch makes it so. [`publish`] (rows in
//! memory), [`publish_frames`] (frames of any number) and [`publish_rows`] (a stream of any size) do both; [`stage_rows`] and [`switch_all`] let a job look at several
//! tables before any of them changes. What a crashed attempt leaves lies under `_staging/<partition>/` or is not named
//! by `_SUCCESS`; the next publication of the partition removes it. The caller holds the partition's lock.

mod frames;
mod in_place;
mod sink;
mod source;
mod spill;
mod swap;
mod switch;

use polars::prelude::DataFrame;

use self::source::Source;
use super::frames::Frames;
use super::{Codec, Error, FileSizing, Folder, Partition, PartitionLock, Rows, Success};

pub use switch::{finish_switch, switch_all};

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
    let attempt = Attempt { partition, settings, run_id };
    attempt.stage(Source::Frame(frame)).await?.switch(lock).await
}

/// Replaces the partition by rows that need not be in memory, with the very files that [`publish`] would write.
///
/// # Errors
/// As [`publish`]; [`Error::Rows`] if the rows cannot be computed, and nothing has changed.
pub(crate) async fn publish_frames(
    partition: &Partition,
    frames: &Frames,
    settings: WriteSettings,
    run_id: &str,
    lock: &PartitionLock,
) -> Result<Success, Error> {
    let source = match frames.in_memory() {
        Some(frame) => Source::Frame(frame.clone()),
        None => Source::Frames(frames.clone()),
    };
    let attempt = Attempt { partition, settings, run_id };
    attempt.stage(source).await?.switch(lock).await
}

/// Replaces the partition by a stream of rows, in their order; memory stays bounded whatever its length.
///
/// The rows are encoded into a temporary file first; its size gives the number of files. The same rows and settings give
/// the same files. No rows give one file with the columns.
///
/// # Errors
/// As [`publish`]; [`Error::Rows`] if the rows cannot be computed, and nothing has changed.
pub async fn publish_rows(
    partition: &Partition,
    rows: Rows,
    settings: WriteSettings,
    run_id: &str,
    lock: &PartitionLock,
) -> Result<Success, Error> {
    stage_rows(partition, rows, settings, None, run_id).await?.switch(lock).await
}

/// Writes a new partition (or, as `Partition::new(parent, "table")`, a whole table) that nobody sees before its switch.
///
/// With `split_by` the files lie in sub-folders `<column>=<value>/`, the column kept in them too; the rows must come grouped
/// by it, and `settings.sizing` holds for each sub-folder.
///
/// # Errors
/// As [`publish_rows`]; [`Error::Schema`] if there is no such column or its values do not come grouped.
pub async fn stage_rows(
    partition: &Partition,
    rows: Rows,
    settings: WriteSettings,
    split_by: Option<&str>,
    run_id: &str,
) -> Result<Staged, Error> {
    let attempt = Attempt { partition, settings, run_id };
    attempt.stage(Source::Rows { rows, split_by: split_by.map(str::to_owned) }).await
}

/// One publication in progress.
struct Attempt<'a> {
    partition: &'a Partition,
    settings: WriteSettings,
    run_id: &'a str,
}

impl Attempt<'_> {
    async fn stage(&self, source: Source) -> Result<Staged, Error> {
        match self.partition.folder().local_path() {
            Some(path) if swap::supported(&path) => swap::stage(self, source).await,
            _ => in_place::stage(self, source).await,
        }
    }

    /// The part of file names that tells runs apart.
    fn mark(&self) -> String {
        self.run_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
    }
}

/// A new partition that is written and not visible yet.
#[derive(Clone, Debug)]
pub struct Staged {
    partition: Partition,
    place: Place,
    success: Success,
}

/// Where the files of a staged partition are.
#[derive(Clone, Debug)]
enum Place {
    /// In a folder beside the old partition, to exchange names with it.
    Beside(Folder),
    /// In the partition's folder, under names that its `_SUCCESS` does not have.
    Within,
}

impl Staged {
    /// What will be visible after the switch.
    pub fn success(&self) -> &Success {
        &self.success
    }

    /// The partition it is for.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The written files, to query before the switch: their folder and names.
    pub fn objects(&self) -> (Folder, Vec<String>) {
        let folder = match &self.place {
            Place::Beside(folder) => folder.clone(),
            Place::Within => self.partition.folder(),
        };
        (folder, self.success.files.iter().map(|file| file.name.clone()).collect())
    }

    /// Makes it what readers find.
    ///
    /// # Errors
    /// [`Error::LockLost`] and nothing has changed; [`Error::Storage`].
    pub async fn switch(self, lock: &PartitionLock) -> Result<Success, Error> {
        lock.check().await?;
        self.make_visible().await?;
        Ok(self.success)
    }

    /// The switch itself; doing it again after a crash in it finishes it.
    async fn make_visible(&self) -> Result<(), Error> {
        match &self.place {
            Place::Beside(fresh) => swap::switch(&self.partition, fresh).await,
            Place::Within => in_place::switch(&self.partition, &self.success).await,
        }
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
mod frames_tests;
#[cfg(test)]
mod rows_tests;
#[cfg(test)]
mod tests;
