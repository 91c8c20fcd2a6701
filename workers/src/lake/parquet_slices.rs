//! Parquet objects read some rows at a time, checked before anything is decoded.

use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use polars::prelude::{DataFrame, FileMetadataRef, ParquetReader, SerReader};

use super::frames::{FrameIter, Frames};
use super::parquet_bounds::{check_file, check_object};
use super::{Error, Folder};

/// Bytes of an object that are fetched at once.
const RANGE_BYTES: u64 = 8 << 20;

/// An object whose size is in proportion to its values, in memory or on this machine's disk.
#[derive(Clone, Debug)]
pub(crate) struct ParquetSlices {
    uri: String,
    stored: Stored,
    metadata: FileMetadataRef,
    values_bytes: u64,
}

#[derive(Clone, Debug)]
enum Stored {
    Memory(Bytes),
    Disk(Arc<File>),
}

impl ParquetSlices {
    /// An object that is in memory.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it is no Parquet file, [`Error::Limit`] if it is out of proportion.
    pub fn of_bytes(uri: &str, bytes: Bytes) -> Result<ParquetSlices, Error> {
        let values_bytes = check_object(uri, &bytes)?;
        ParquetSlices::new(uri, Stored::Memory(bytes), values_bytes)
    }

    /// An object that is read from the disk: of another place it is fetched into a temporary file first.
    ///
    /// # Errors
    /// As [`ParquetSlices::of_bytes`]; [`Error::NotFound`], [`Error::Storage`].
    pub async fn open(folder: &Folder, name: &str, size_bytes: u64) -> Result<ParquetSlices, Error> {
        let uri = folder.uri_of(name);
        let file = match folder.child(name).local_path() {
            Some(path) => File::open(path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::NotFound { uri: uri.clone() },
                _ => Error::storage("read", uri.clone(), error),
            })?,
            None => fetch(folder, name, size_bytes).await?,
        };
        super::publish::blocking(&uri.clone(), move || {
            let values_bytes = check_file(&uri, &file)?;
            ParquetSlices::new(&uri, Stored::Disk(Arc::new(file)), values_bytes)
        })
        .await
    }

    fn new(uri: &str, stored: Stored, values_bytes: u64) -> Result<ParquetSlices, Error> {
        let metadata = match &stored {
            Stored::Memory(bytes) => ParquetReader::new(Cursor::new(bytes.clone())).get_metadata().cloned(),
            Stored::Disk(file) => clone(uri, file).map(ParquetReader::new)?.get_metadata().cloned(),
        };
        let metadata = metadata.map_err(|error| unreadable(uri, &error))?;
        Ok(ParquetSlices { uri: uri.to_owned(), stored, metadata, values_bytes })
    }

    /// Where it is.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.metadata.num_rows
    }

    /// What its values take in memory, in bytes; of text at least a part.
    pub fn values_bytes(&self) -> u64 {
        self.values_bytes
    }

    /// What all rows take in memory, about, in bytes; texts that repeat are counted once.
    pub fn rows_bytes(&self) -> u64 {
        let stored = self.metadata.row_groups.iter().map(|group| group.total_byte_size() as u64);
        self.values_bytes.max(stored.fold(0, u64::saturating_add))
    }

    /// Where to read, first row and number of rows, so that each time is about so many bytes at most.
    pub fn slices(&self, slice_bytes: u64) -> Vec<(usize, usize)> {
        let row_bytes = self.values_bytes.div_ceil(self.rows().max(1) as u64);
        let (mut slices, mut at) = (Vec::new(), 0);
        for group in self.metadata.row_groups.iter() {
            let rows = group.num_rows();
            let bytes = row_bytes.saturating_mul(rows as u64).max(group.total_byte_size() as u64);
            let step = u128::from(slice_bytes) * rows as u128 / u128::from(bytes.max(1));
            let step = usize::try_from(step).unwrap_or(usize::MAX).clamp(1, rows.max(1));
            slices.extend((0..rows).step_by(step).map(|start| (at + start, step.min(rows - start))));
            at += rows;
        }
        slices
    }

    /// Decodes rows from one on; fewer at the end.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn read(&self, start: usize, rows: usize) -> Result<DataFrame, Error> {
        let slice = Some((start, rows));
        let read = match &self.stored {
            Stored::Memory(bytes) => {
                let mut reader = ParquetReader::new(Cursor::new(bytes.clone())).with_slice(slice);
                reader.set_metadata(self.metadata.clone());
                reader.finish()
            }
            Stored::Disk(file) => {
                let mut reader = ParquetReader::new(clone(&self.uri, file)?).with_slice(slice);
                reader.set_metadata(self.metadata.clone());
                reader.finish()
            }
        };
        read.map_err(|error| unreadable(&self.uri, &error))
    }
}

/// The rows of files of one schema, some at a time.
///
/// # Errors
/// [`Error::Unreadable`] naming the first file whose columns are not those of the first.
pub(crate) fn frames_of(files: Vec<ParquetSlices>, slice_bytes: u64) -> Result<Frames, Error> {
    let mut columns = DataFrame::empty();
    for (at, file) in files.iter().enumerate() {
        let own = file.read(0, 0)?;
        match at {
            0 => columns = own,
            _ => drop(columns.vstack_mut(&own).map_err(|error| unreadable(&file.uri, &error))?),
        }
    }
    let rows = files.iter().map(|file| file.rows() as u64).sum();
    let open = move || -> FrameIter {
        let slices = files.clone().into_iter().flat_map(move |file| {
            file.slices(slice_bytes).into_iter().map(move |(start, rows)| file.read(start, rows))
        });
        Box::new(slices)
    };
    Ok(Frames::opened(rows, columns, open))
}

async fn fetch(folder: &Folder, name: &str, size_bytes: u64) -> Result<File, Error> {
    let place = || format!("a temporary file in {}", std::env::temp_dir().display());
    let file = Arc::new(tempfile::tempfile().map_err(|error| Error::storage("create", place(), error))?);
    let mut at = 0;
    while at < size_bytes {
        let end = (at + RANGE_BYTES).min(size_bytes);
        let bytes = folder.get_range(name, at..end).await?;
        let file = file.clone();
        let written = tokio::task::spawn_blocking(move || file.write_all_at(&bytes, at)).await;
        written
            .map_err(|error| Error::storage("write", place(), error))?
            .map_err(|error| Error::storage("write", place(), error))?;
        at = end;
    }
    Arc::into_inner(file).ok_or_else(|| Error::storage("write", place(), "it is still being written"))
}

fn clone(uri: &str, file: &File) -> Result<File, Error> {
    file.try_clone().map_err(|error| Error::storage("read", uri, error))
}

fn unreadable(uri: &str, error: &polars::error::PolarsError) -> Error {
    Error::Unreadable { uri: uri.to_owned(), format: "Parquet", reason: error.to_string() }
}
