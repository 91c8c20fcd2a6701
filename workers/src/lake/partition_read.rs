//! Reading partitions: all at once, or some rows at a time.

use std::io::Cursor;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use polars::prelude::{DataFrame, ParquetReader, SerReader};

use super::frames::Frames;
use super::parquet_bounds::check_object;
use super::parquet_slices::{ParquetSlices, frames_of};
use super::read::Budget;
use super::{Error, Folder, Object, Partition, PartitionState, SuccessFile};

/// A reader starts again when the files it was told of are replaced under it.
const READ_ATTEMPTS_MAX: u32 = 5;
/// Files of a partition fetched at once.
const FILES_AT_ONCE: usize = 8;
/// A partition that is not read at once is read by this part of what it may take.
const SLICES: u64 = 16;

/// A partition's rows.
#[derive(Clone, Debug)]
pub struct PartitionRead {
    /// The rows, files in order.
    pub frame: DataFrame,
    /// What they came from: `Complete` or `Legacy`.
    pub state: PartitionState,
}

impl Partition {
    /// Reads the whole partition, or `None` if it is absent or incomplete.
    ///
    /// Only the files of `_SUCCESS` are read; if they are replaced meanwhile, the new ones are read instead.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Unreadable`] naming the file.
    pub async fn read(&self) -> Result<Option<PartitionRead>, Error> {
        let mut attempt = 1;
        loop {
            let state = self.state().await?;
            let names: Vec<String> = match &state {
                PartitionState::Absent | PartitionState::Incomplete(_) => return Ok(None),
                PartitionState::Complete(success) => success.files.iter().map(|file| file.name.clone()).collect(),
                PartitionState::Legacy(objects) => objects.iter().map(|object| object.name.clone()).collect(),
            };
            match self.fetch(names).await {
                Ok(files) => {
                    let folder = self.folder();
                    let frame = tokio::task::spawn_blocking(move || decode(&folder, files))
                        .await
                        .map_err(|error| Error::storage("read", self.uri(), error))??;
                    return Ok(Some(PartitionRead { frame, state }));
                }
                Err(Error::NotFound { .. }) if attempt < READ_ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the partition, all at once if its rows take no more than so many bytes, else some rows at a time from the
    /// disk; `None` if it is absent or incomplete.
    ///
    /// # Errors
    /// As [`Partition::read`].
    pub(crate) async fn read_within(&self, memory_bytes: u64) -> Result<Option<Frames>, Error> {
        let mut attempt = 1;
        loop {
            let files: Vec<Object> = match self.state().await? {
                PartitionState::Absent | PartitionState::Incomplete(_) => return Ok(None),
                PartitionState::Complete(success) => success.files.into_iter().map(object).collect(),
                PartitionState::Legacy(objects) => objects,
            };
            match self.frames(files, memory_bytes).await {
                Err(Error::NotFound { .. }) if attempt < READ_ATTEMPTS_MAX => attempt += 1,
                read => return read.map(Some),
            }
        }
    }

    async fn frames(&self, files: Vec<Object>, memory_bytes: u64) -> Result<Frames, Error> {
        let folder = self.folder();
        if files.iter().map(|file| file.size_bytes).sum::<u64>() <= memory_bytes {
            let fetched = self.fetch(files.iter().map(|file| file.name.clone()).collect()).await?;
            let place = folder.clone();
            let held = tokio::task::spawn_blocking(move || decode_within(&place, fetched, memory_bytes))
                .await
                .map_err(|error| Error::storage("read", self.uri(), error))??;
            if let Some(frame) = held {
                return Ok(Frames::held(frame));
            }
        }
        let mut opened = Vec::with_capacity(files.len());
        for file in files {
            opened.push(ParquetSlices::open(&folder, &file.name, file.size_bytes).await?);
        }
        frames_of(opened, memory_bytes / SLICES)
    }

    async fn fetch(&self, names: Vec<String>) -> Result<Vec<(String, Bytes)>, Error> {
        let folder = self.folder();
        futures::stream::iter(names)
            .map(|name| {
                let folder = folder.clone();
                async move { folder.get(&name).await.map(|bytes| (name, bytes)) }
            })
            .buffered(FILES_AT_ONCE)
            .try_collect()
            .await
    }
}

fn object(file: SuccessFile) -> Object {
    Object { name: file.name, size_bytes: file.bytes }
}

/// The rows, unless they take more than so many bytes.
fn decode_within(folder: &Folder, files: Vec<(String, Bytes)>, memory_bytes: u64) -> Result<Option<DataFrame>, Error> {
    let mut rows_bytes = 0_u64;
    for (name, bytes) in &files {
        let file = ParquetSlices::of_bytes(&folder.uri_of(name), bytes.clone())?;
        rows_bytes = rows_bytes.saturating_add(file.rows_bytes());
        if rows_bytes > memory_bytes {
            return Ok(None);
        }
    }
    decode_checked(folder, files).map(Some)
}

fn decode(folder: &Folder, files: Vec<(String, Bytes)>) -> Result<DataFrame, Error> {
    let budget = Budget::from_env()?;
    for (name, bytes) in &files {
        // Other writers put files here, too.
        let uri = folder.uri_of(name);
        budget.spend(&uri, 0, check_object(&uri, bytes)?)?;
    }
    decode_checked(folder, files)
}

fn decode_checked(folder: &Folder, files: Vec<(String, Bytes)>) -> Result<DataFrame, Error> {
    let mut frame: Option<DataFrame> = None;
    for (name, bytes) in files {
        let uri = folder.uri_of(&name);
        let unreadable = |error: polars::error::PolarsError| Error::Unreadable {
            uri: uri.clone(),
            format: "Parquet",
            reason: error.to_string(),
        };
        let part = ParquetReader::new(Cursor::new(bytes)).finish().map_err(unreadable)?;
        match &mut frame {
            Some(frame) => {
                frame.vstack_mut(&part).map_err(unreadable)?;
            }
            None => frame = Some(part),
        }
    }
    let mut frame = frame.unwrap_or_else(DataFrame::empty);
    frame.rechunk_mut();
    Ok(frame)
}
