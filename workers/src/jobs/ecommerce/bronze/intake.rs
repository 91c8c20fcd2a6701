//! The rows of some files on their way to the bronze table: read piece by piece, none of them held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use polars::prelude::DataFrame;

use super::super::raw_file::{RawFile, RawFiles};
use super::super::table::{Source, columns};
use crate::job::{Code, JobContext, JobError};
use crate::lake::delta::Written;
use crate::lake::read::{CORRUPT_COLUMN, Format, Piece, Pieces, ReadSettings};
use crate::lake::{Cause, Error};
use crate::query::Rows;

/// What the rows were like that went by.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Rows that could not be read completely.
    pub malformed_records: u64,
    /// By file, its columns that nobody knows: they are not carried over.
    pub others: BTreeMap<String, BTreeSet<String>>,
}

/// A file that cannot be taken.
#[derive(Debug)]
pub(super) struct Refused {
    /// Its place among the files.
    pub place: usize,
    /// Why.
    pub reason: String,
}

/// Why rows ended early.
#[derive(Debug)]
enum Broken {
    File(Refused),
    Read(JobError),
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    broken: Option<Broken>,
}

/// What is told of rows once they are written.
pub(super) struct Intake {
    state: Arc<Mutex<State>>,
}

/// The rows of files in `processing`, with the columns of the bronze table.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` if the memory for rows is no number.
pub(super) fn rows(
    context: &JobContext,
    source: &'static Source,
    raw: &RawFiles,
    files: &[RawFile],
) -> Result<(Rows, Intake), JobError> {
    let (state, processed_at) = (Arc::<Mutex<State>>::default(), Utc::now());
    let memory_bytes = context.lake.read_memory_bytes()?;
    let settings = ReadSettings { declared: source.raw, format: Format::Csv, ignored: &[] };
    let read = |(place, file): (usize, &RawFile)| FileRows {
        source,
        name: file.name.clone(),
        place,
        processed_at,
        pieces: Pieces::of(&raw.processing(), &file.object(), settings, memory_bytes),
        rows: 0,
        has_key: false,
        state: state.clone(),
    };
    let files: Vec<FileRows> = files.iter().enumerate().map(read).collect();
    let batches = stream::iter(files).flat_map(|file| stream::try_unfold(file, FileRows::next)).boxed();
    Ok((Rows::conformed(&columns(source.bronze.fields), batches), Intake { state }))
}

impl Intake {
    /// What was seen of the rows, if they are written; the file that cannot be taken, if that is why they are not.
    ///
    /// # Errors
    /// Those of reading, and of the write.
    pub fn outcome(self, written: Result<Written, Error>) -> Result<Result<(Written, Seen), Refused>, JobError> {
        let State { seen, broken } = std::mem::take(&mut *self.state.lock());
        match (broken, written) {
            (Some(Broken::File(refused)), _) => Ok(Err(refused)),
            (Some(Broken::Read(error)), _) => Err(error),
            (None, written) => Ok(Ok((written?, seen))),
        }
    }
}

/// A file that is being read.
struct FileRows {
    source: &'static Source,
    name: String,
    place: usize,
    processed_at: DateTime<Utc>,
    pieces: Pieces,
    /// Rows so far.
    rows: i64,
    /// Whether one of them has a key.
    has_key: bool,
    state: Arc<Mutex<State>>,
}

impl FileRows {
    async fn next(mut self) -> Result<Option<(RecordBatch, FileRows)>, Cause> {
        match self.read().await {
            Ok(batch) => Ok(batch.map(|batch| (batch, self))),
            Err(broken) => {
                self.state.lock().broken = Some(broken);
                Err(format!("`{}` cannot be read", self.name).into())
            }
        }
    }

    async fn read(&mut self) -> Result<Option<RecordBatch>, Broken> {
        match self.pieces.next().await {
            Ok(Some(piece)) => self.batch(&piece).map(Some).map_err(Broken::Read),
            Ok(None) if self.rows > 0 && !self.has_key => {
                let key = self.source.key;
                Err(self.refused(format!("the key column `{key}` is missing, or empty in every row")))
            }
            Ok(None) => Ok(None),
            Err(error @ (Error::Limit { .. } | Error::Unreadable { .. })) => Err(self.refused(error.chain())),
            Err(error) => Err(Broken::Read(error.into())),
        }
    }

    fn refused(&self, reason: String) -> Broken {
        Broken::File(Refused { place: self.place, reason })
    }

    /// Rows with the columns of the bronze table, and a look at them.
    fn batch(&mut self, piece: &Piece) -> Result<RecordBatch, JobError> {
        let frame = &piece.frame;
        let keys = frame.column(self.source.key)?;
        self.has_key |= keys.null_count() < frame.height();
        let known = |name: &str| name == CORRUPT_COLUMN || self.source.raw.iter().any(|declared| declared.name == name);
        let mut state = self.state.lock();
        state.seen.malformed_records += piece.malformed_records;
        for name in frame.get_column_names().into_iter().filter(|name| !known(name)) {
            state.seen.others.entry(self.name.clone()).or_default().insert(name.to_string());
        }
        drop(state);
        let first = self.rows + 1;
        self.rows += i64::try_from(frame.height()).expect("a frame's height fits");
        let batch = self.columns(frame, first)?;
        RecordBatch::try_from_iter_with_nullable(batch).map_err(|error| {
            JobError::new(Code::UnexpectedError, format!("rows of `{}` make no table: {error}", self.name))
        })
    }

    /// The columns of the bronze table for rows of which the first has this number.
    fn columns(&self, frame: &DataFrame, first: i64) -> Result<Vec<(&'static str, ArrayRef, bool)>, JobError> {
        let height = frame.height();
        let texts = |name: &str| -> Result<ArrayRef, JobError> {
            Ok(match frame.column(name) {
                Ok(column) => Arc::new(column.str()?.iter().collect::<StringArray>()),
                Err(_) => Arc::new(StringArray::new_null(height)),
            })
        };
        let repeated = |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, height)));
        let mut named: Vec<(&'static str, ArrayRef, bool)> = Vec::new();
        for field in self.source.bronze.fields {
            let array: ArrayRef = match field.name {
                "row_number" => Arc::new(Int64Array::from_iter_values(first..=self.rows)),
                "corrupt_record" => texts(CORRUPT_COLUMN)?,
                "bronze_source_file" => repeated(&self.name),
                "processing_timestamp" => {
                    let micros = self.processed_at.timestamp_micros();
                    Arc::new(TimestampMicrosecondArray::from_value(micros, height).with_timezone("UTC"))
                }
                "layer" => repeated("bronze"),
                name => texts(name)?,
            };
            named.push((field.name, array, true));
        }
        Ok(named)
    }
}
