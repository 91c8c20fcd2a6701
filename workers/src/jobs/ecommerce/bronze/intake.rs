//! The rows of some files on their way to the bronze table: read piece by piece, none of them held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use deltalake::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use polars::prelude::DataFrame;

use super::super::raw_file::{RawFile, RawFiles};
use super::super::table::{Source, columns};
use super::header;
use crate::job::{Code, JobContext, JobError};
use crate::lake::delta::Written;
use crate::lake::read::{CORRUPT_COLUMN, Format, Piece, Pieces, ReadSettings};
use crate::lake::{Cause, Error};
use crate::query::Rows;

/// What the rows were like that went by.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By file, how many rows could not be read completely, and the number of the first.
    pub malformed: BTreeMap<String, (u64, i64)>,
    /// By file, its columns that nobody knows: they are not carried over.
    pub others: BTreeMap<String, BTreeSet<String>>,
}

/// A file that is not taken.
#[derive(Debug)]
pub(super) struct NotTaken {
    /// Its place among the files.
    pub place: usize,
    /// Why.
    pub why: Why,
}

/// Why a file is not taken.
#[derive(Debug)]
pub(super) enum Why {
    /// It cannot be.
    Refused(String),
    /// It was written while it was read.
    Changed,
}

/// Why rows ended early.
#[derive(Debug)]
enum Broken {
    File(NotTaken),
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
        raw: raw.clone(),
        file: file.clone(),
        place,
        // Files come in the order of their delivery, and silver takes the newest row of a key.
        processed_at: processed_at + TimeDelta::microseconds(place as i64),
        pieces: Pieces::of(&raw.processing(), &file.object(), settings, memory_bytes),
        rows: 0,
        has_header: false,
        without_value: source.required.to_vec(),
        state: state.clone(),
    };
    let files: Vec<FileRows> = files.iter().enumerate().map(read).collect();
    let batches = stream::iter(files).flat_map(|file| stream::try_unfold(file, FileRows::next)).boxed();
    Ok((Rows::conformed(&columns(source.bronze.fields), batches), Intake { state }))
}

impl Intake {
    /// What was seen of the rows, if they are written; the file that is not taken, if that is why they are not.
    ///
    /// # Errors
    /// Those of reading, and of the write.
    pub fn outcome(self, written: Result<Written, Error>) -> Result<Result<(Written, Seen), NotTaken>, JobError> {
        let State { seen, broken } = std::mem::take(&mut *self.state.lock());
        match (broken, written) {
            (Some(Broken::File(not_taken)), _) => Ok(Err(not_taken)),
            (Some(Broken::Read(error)), _) => Err(error),
            (None, written) => Ok(Ok((written?, seen))),
        }
    }
}

/// A file that is being read.
struct FileRows {
    source: &'static Source,
    raw: RawFiles,
    file: RawFile,
    place: usize,
    processed_at: DateTime<Utc>,
    pieces: Pieces,
    /// Rows so far.
    rows: i64,
    /// Whether the file has said which columns it has.
    has_header: bool,
    /// Required columns that no row so far has a value in.
    without_value: Vec<&'static str>,
    state: Arc<Mutex<State>>,
}

impl FileRows {
    async fn next(mut self) -> Result<Option<(RecordBatch, FileRows)>, Cause> {
        match self.read().await {
            Ok(batch) => Ok(batch.map(|batch| (batch, self))),
            Err(broken) => {
                self.state.lock().broken = Some(broken);
                Err(format!("`{}` cannot be read", self.file.name).into())
            }
        }
    }

    async fn read(&mut self) -> Result<Option<RecordBatch>, Broken> {
        let end = match self.pieces.next().await {
            Ok(Some(piece)) => match self.header_fault(&piece) {
                None => return self.batch(&piece).map(Some).map_err(Broken::Read),
                fault => Ok(fault),
            },
            Ok(None) => Ok(self.fault()),
            Err(error @ Error::Unreadable { format: "gzip" | "Parquet", .. }) => {
                Ok(Some(format!("{}; it may be cut off: deliver it again", error.chain())))
            }
            Err(error @ (Error::Limit { .. } | Error::Unreadable { .. })) => Ok(Some(error.chain())),
            Err(error) => Err(error),
        };
        // What somebody still writes is not to blame for how far it is.
        if !self.is_unchanged().await? {
            return Err(self.not_taken(Why::Changed));
        }
        match end {
            Ok(None) => Ok(None),
            Ok(Some(reason)) => Err(self.not_taken(Why::Refused(reason))),
            Err(error) => Err(Broken::Read(error.into())),
        }
    }

    async fn is_unchanged(&self) -> Result<bool, Broken> {
        self.raw.is_unchanged(&self.file).await.map_err(|error| Broken::Read(error.into()))
    }

    fn not_taken(&self, why: Why) -> Broken {
        Broken::File(NotTaken { place: self.place, why })
    }

    /// What is wrong with the columns that the file says it has.
    fn header_fault(&mut self, piece: &Piece) -> Option<String> {
        let found = piece.columns.as_ref()?;
        self.has_header = true;
        header::fault(self.source, found)
    }

    /// What is wrong with the file as a whole.
    fn fault(&self) -> Option<String> {
        let (key, without) = (self.source.key, &self.without_value);
        match self.has_header {
            false if self.rows == 0 => Some(header::empty(self.source)),
            false if !without.is_empty() => Some(format!("no row has a value of {}", without.join(", "))),
            _ if self.rows > 0 && without.contains(&key) => {
                Some(format!("the key column `{key}` is empty in every row"))
            }
            _ => None,
        }
    }

    /// Rows with the columns of the bronze table, and a look at them.
    fn batch(&mut self, piece: &Piece) -> Result<RecordBatch, JobError> {
        let frame = &piece.frame;
        self.without_value.retain(|name| frame.column(name).is_ok_and(|values| values.null_count() == frame.height()));
        let known = |name: &str| name == CORRUPT_COLUMN || self.source.raw.iter().any(|declared| declared.name == name);
        let first = self.rows + 1;
        let mut state = self.state.lock();
        if let Some(row) = piece.malformed_at {
            let malformed = state.seen.malformed.entry(self.file.name.clone()).or_insert((0, first + row as i64));
            malformed.0 += piece.malformed_records;
        }
        for name in frame.get_column_names().into_iter().filter(|name| !known(name)) {
            state.seen.others.entry(self.file.name.clone()).or_default().insert(name.to_string());
        }
        drop(state);
        self.rows += i64::try_from(frame.height()).expect("a frame's height fits");
        let batch = self.columns(frame, first)?;
        RecordBatch::try_from_iter_with_nullable(batch).map_err(|error| {
            JobError::new(Code::UnexpectedError, format!("rows of `{}` make no table: {error}", self.file.name))
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
                "bronze_source_file" => repeated(&self.file.name),
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
