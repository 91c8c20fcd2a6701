//! Rows of raw objects (JSON Lines, CSV, Parquet, each `.gz` too) with declared types.
//!
//! [`read_rows`] reads many objects at once: small ones are gathered into units, units are fetched concurrently and
//! parsed in parallel, and the rows come out in the order of the object names. `read_sorted` does the same for rows that
//! may be more than fit into memory, and sorts them; `Pieces` holds none. No row is dropped: one that cannot be read keeps what
//! could, and its text goes to [`CORRUPT_COLUMN`]. Everything that could grow without end is limited ([`limit`]).

mod bounded;
mod cell;
mod csv;
mod cut;
mod facts;
mod instant;
mod json;
pub mod limit;
mod outlet;
mod parquet;
mod pieces;
mod quotes;
mod rows;
mod sorted;
mod unit;

use polars::prelude::DataFrame;

use super::{Error, Folder, Object};
pub(crate) use bounded::BoundedCsv;
use cell::Unknown;
pub(crate) use cut::Cutter;
pub use instant::{MICROS_PER_DAY, parse_instant};
pub(crate) use limit::Budget;
use outlet::Reading;
pub use parquet::conform;
pub(crate) use pieces::{Piece, Pieces};
use rows::Rows;
pub(crate) use sorted::{SortedRead, read_sorted};

/// The column that holds the text of rows that could not be read; present only if there are any.
pub const CORRUPT_COLUMN: &str = "_corrupt_record";

/// How the bytes of an object are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// CSV with a header.
    Csv,
    /// Parquet.
    Parquet,
}

impl Format {
    /// The format by its name in arguments: `json`, `csv`, `parquet`.
    pub fn parse(name: &str) -> Option<Format> {
        match name.to_ascii_lowercase().as_str() {
            "json" | "jsonl" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }

    /// The format an object's name tells, with or without `.gz`; `None` if it tells none.
    pub fn of_name(name: &str) -> Option<Format> {
        let file = name.rsplit('/').next()?;
        let plain = file.strip_suffix(".gz").unwrap_or(file);
        Format::parse(plain.rsplit_once('.')?.1)
    }
}

/// The type of a declared column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Trimmed text; blank is null.
    Text,
    /// A float64; NaN and infinities become null and are counted.
    Number,
    /// Microseconds since 1970 in UTC, from ISO-8601 text.
    Instant,
}

/// A column whose type is fixed beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// What to read and how.
#[derive(Clone, Copy, Debug)]
pub struct ReadSettings {
    /// The columns with fixed types, in output order. Others get the narrowest type that fits and follow by name.
    pub declared: &'static [Declared],
    /// The format of objects whose name tells none; others are read by their name and counted as mixed.
    pub format: Format,
    /// Columns of the raw data that are not carried over (partition columns, which live in the path).
    pub ignored: &'static [&'static str],
}

/// Everything read from a set of objects.
#[derive(Debug)]
pub struct RowsRead {
    /// Declared columns, then the others by name, then [`CORRUPT_COLUMN`] if any row is corrupt. Rows in the order of
    /// object names, then as in the object.
    pub frame: DataFrame,
    /// Rows per object, in the order given.
    pub object_records: Vec<u64>,
    /// Rows that could not be read completely.
    pub malformed_records: u64,
    /// The first of them: its object and its row there, from 1.
    pub malformed_at: Option<(String, u64)>,
    /// NaN and infinite numbers replaced by null.
    pub non_finite_values: u64,
    /// Objects whose name contradicts the format asked for.
    pub mixed_format_objects: u64,
}

/// Reads the objects of a folder.
///
/// # Errors
/// [`Error::Storage`]; [`Error::Unreadable`] for an object that is broken as a whole; [`Error::Limit`] for one that is
/// too large, or takes more than is left of `STEPWELL_READ_MEMORY_MIB`, naming the limit; [`Error::Configuration`] if
/// that is no number.
pub async fn read_rows(folder: &Folder, objects: &[Object], settings: ReadSettings) -> Result<RowsRead, Error> {
    read_rows_within(folder, objects, settings, Budget::from_env()?).await
}

async fn read_rows_within(
    folder: &Folder,
    objects: &[Object],
    settings: ReadSettings,
    budget: Budget,
) -> Result<RowsRead, Error> {
    // A unit's rows stay together: all of them are held anyway.
    let mut reading = Reading::new(folder, objects, settings, budget, u64::MAX);
    let mut held = Vec::new();
    while let Some(rows) = reading.next().await? {
        held.push(rows);
    }
    let (uri, object_records) = (folder.uri(), reading.object_records);
    let mixed = mixed_formats(objects, settings);
    let failed_uri = uri.clone();
    let (mut read, first) = tokio::task::spawn_blocking(move || assemble(&uri, held, settings, object_records, mixed))
        .await
        .map_err(|error| Error::storage("read", failed_uri, error))??;
    read.malformed_at = first.and_then(|row| place_of(row, objects, &read.object_records));
    Ok(read)
}

/// How many objects have a name that contradicts the format asked for.
fn mixed_formats(objects: &[Object], settings: ReadSettings) -> u64 {
    let mixed = |object: &&Object| Format::of_name(&object.name).is_some_and(|format| format != settings.format);
    objects.iter().filter(mixed).count() as u64
}

/// The object that a row of all is in, and its number there.
fn place_of(row: usize, objects: &[Object], object_records: &[u64]) -> Option<(String, u64)> {
    let mut row = row as u64;
    for (object, records) in objects.iter().zip(object_records) {
        match row.checked_sub(*records) {
            Some(after) => row = after,
            None => return Some((object.name.clone(), row + 1)),
        }
    }
    None
}

/// All rows, and which of them is the first corrupt one.
fn assemble(
    uri: &str,
    held: Vec<Rows>,
    settings: ReadSettings,
    object_records: Vec<u64>,
    mixed: u64,
) -> Result<(RowsRead, Option<usize>), Error> {
    let refuse = |error: polars::error::PolarsError| Error::Unreadable {
        uri: uri.to_owned(),
        format: "rows",
        reason: error.to_string(),
    };
    let (mut malformed_records, mut non_finite_values, mut height) = (0, 0, 0);
    let mut unknown = Unknown::default();
    let mut corrupt = Vec::new();
    let mut frame: Option<DataFrame> = None;
    for rows in held {
        let finished = rows.finish().map_err(refuse)?;
        malformed_records += finished.corrupt.len() as u64;
        non_finite_values += finished.non_finite;
        corrupt.extend(finished.corrupt.into_iter().map(|(row, text)| (row as usize + height, text)));
        unknown.append(finished.unknown, height);
        height += finished.frame.height();
        match &mut frame {
            Some(frame) => {
                frame.vstack_mut_owned(finished.frame).map_err(refuse)?;
            }
            None => frame = Some(finished.frame),
        }
    }
    let mut frame = match frame {
        Some(frame) => frame,
        None => Rows::new(settings).finish().map_err(refuse)?.frame,
    };
    frame.rechunk_mut();
    for column in unknown.into_columns(height, &mut non_finite_values).map_err(|reason| Error::Unreadable {
        uri: uri.to_owned(),
        format: "rows",
        reason,
    })? {
        frame.with_column(column).map_err(refuse)?;
    }
    let first = corrupt.first().map(|(row, _)| *row);
    if !corrupt.is_empty() {
        frame.with_column(cell::text_column(CORRUPT_COLUMN, height, corrupt)).map_err(refuse)?;
    }
    let read = RowsRead {
        frame,
        object_records,
        malformed_records,
        malformed_at: None,
        non_finite_values,
        mixed_format_objects: mixed,
    };
    Ok((read, first))
}

#[cfg(test)]
mod tests;
