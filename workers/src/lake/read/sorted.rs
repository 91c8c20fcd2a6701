//! Rows of raw objects in order, however many: in memory up to an allowance, beyond it by temporary files.

use super::cell::too_many_columns;
use super::facts::Facts;
use super::limit::{Budget, EXTRA_COLUMNS_MAX};
use super::outlet::{Reading, piece_bytes};
use super::rows::Rows;
use super::{ReadSettings, RowsRead, assemble, mixed_formats, place_of};
use crate::lake::frames::{Frames, SortKey, Sorter};
use crate::lake::{Error, Folder, Object};

/// Everything read from a set of objects, in order.
#[derive(Debug)]
pub(crate) struct SortedRead {
    /// Columns as of [`RowsRead::frame`]; rows by the key, those with the same key in the order of object names, then as in
    /// the object.
    pub frames: Frames,
    /// As of [`RowsRead`].
    pub object_records: Vec<u64>,
    /// As of [`RowsRead`].
    pub malformed_records: u64,
    /// As of [`RowsRead`].
    pub malformed_at: Option<(String, u64)>,
    /// As of [`RowsRead`].
    pub non_finite_values: u64,
    /// As of [`RowsRead`].
    pub mixed_format_objects: u64,
}

/// Reads the objects of a folder and sorts their rows. Up to `memory_bytes` of rows are held in memory; with more, the
/// temporary folder takes them all.
///
/// # Errors
/// As [`super::read_rows`], but for memory; [`Error::Storage`] if the temporary folder is full.
pub(crate) async fn read_sorted(
    folder: &Folder,
    objects: &[Object],
    settings: ReadSettings,
    key: SortKey,
    memory_bytes: u64,
) -> Result<SortedRead, Error> {
    let mut reading = Reading::new(folder, objects, settings, Budget::of_records(), piece_bytes(memory_bytes));
    let (mut held, mut held_bytes) = (Vec::new(), 0);
    let mut spool: Option<Spool> = None;
    while let Some(rows) = reading.next().await? {
        held_bytes += rows.bytes();
        held.push(rows);
        if held_bytes > memory_bytes || spool.is_some() {
            let mut taking = spool.take().unwrap_or_else(|| Spool::new(folder, key, memory_bytes));
            let pieces = std::mem::take(&mut held);
            spool = Some(blocking(folder, move || taking.add(pieces).map(|()| taking)).await?);
        }
    }
    let object_records = reading.object_records;
    let mixed_format_objects = mixed_formats(objects, settings);
    let uri = folder.uri();
    let Some(spool) = spool else {
        let (read, first) = blocking(folder, move || {
            let (mut read, first) = assemble(&uri, held, settings, object_records, mixed_format_objects)?;
            read.frame = key.sort(&read.frame).map_err(|error| refused(&uri, error.to_string()))?;
            Ok((read, first))
        })
        .await?;
        let RowsRead { frame, object_records, malformed_records, non_finite_values, .. } = read;
        let malformed_at = first.and_then(|row| place_of(row, objects, &object_records));
        let frames = Frames::held(frame);
        return Ok(SortedRead {
            frames,
            object_records,
            malformed_records,
            malformed_at,
            non_finite_values,
            mixed_format_objects,
        });
    };
    let Spool { sorter, facts, malformed_records, first, non_finite, .. } = spool;
    let non_finite_values = non_finite + facts.non_finite();
    let frames = blocking(folder, move || sorter.finish()?.map(&uri, move |frame| facts.shape(frame))).await?;
    let malformed_at = first.and_then(|row| place_of(row, objects, &object_records));
    Ok(SortedRead { frames, object_records, malformed_records, malformed_at, non_finite_values, mixed_format_objects })
}

/// Rows that are not held.
struct Spool {
    uri: String,
    sorter: Sorter,
    facts: Facts,
    rows: usize,
    malformed_records: u64,
    /// The first malformed row of all.
    first: Option<usize>,
    non_finite: u64,
}

impl Spool {
    fn new(folder: &Folder, key: SortKey, memory_bytes: u64) -> Spool {
        Spool {
            uri: folder.uri(),
            sorter: Sorter::new(key, memory_bytes),
            facts: Facts::default(),
            rows: 0,
            malformed_records: 0,
            first: None,
            non_finite: 0,
        }
    }

    fn add(&mut self, pieces: Vec<Rows>) -> Result<(), Error> {
        for rows in pieces {
            let finished = rows.finish().map_err(|error| refused(&self.uri, error.to_string()))?;
            self.malformed_records += finished.corrupt.len() as u64;
            self.non_finite += finished.non_finite;
            if let (None, Some((row, _))) = (self.first, finished.corrupt.first()) {
                self.first = Some(self.rows + *row as usize);
            }
            self.rows += finished.frame.height();
            let frame = self.facts.take(finished).map_err(|error| refused(&self.uri, error.to_string()))?;
            if self.facts.len() > EXTRA_COLUMNS_MAX {
                return Err(refused(&self.uri, too_many_columns()));
            }
            self.sorter.add(frame)?;
        }
        Ok(())
    }
}

fn refused(uri: &str, reason: String) -> Error {
    Error::Unreadable { uri: uri.to_owned(), format: "rows", reason }
}

async fn blocking<T, F>(folder: &Folder, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::storage("read", folder.uri(), error))?
}

#[cfg(test)]
mod tests;
