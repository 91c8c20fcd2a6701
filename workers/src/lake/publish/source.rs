//! What a publication writes, and the writing of it, file after file.

use chrono::Utc;
use polars::prelude::DataFrame;

use super::frames::write_frames;
use super::sink::Sink;
use super::spill::write_rows;
use super::{Attempt, WriteSettings, blocking};
use crate::lake::frames::Frames;
use crate::lake::success::audit_time;
use crate::lake::write::file_slice;
use crate::lake::{Error, Rows, Success, SuccessFile, encode_parquet};

/// The rows of a publication.
pub(super) enum Source {
    /// In memory.
    Frame(DataFrame),
    /// Frame after frame, written as if they were one.
    Frames(Frames),
    /// A stream, perhaps into sub-folders by a column.
    Rows {
        /// The rows.
        rows: Rows,
        /// The column.
        split_by: Option<String>,
    },
}

impl Source {
    /// Writes all files; `mark` is the part of their names that tells runs apart.
    pub(super) async fn write(self, attempt: &Attempt<'_>, mark: &str, sink: &Sink) -> Result<Success, Error> {
        let uri = attempt.partition.uri();
        let (rows, files) = match self {
            Source::Frame(frame) => write_frame(&uri, frame, attempt.settings, mark, sink).await?,
            Source::Frames(frames) => write_frames(&uri, &frames, attempt.settings, mark, sink).await?,
            Source::Rows { rows, split_by } => {
                write_rows(&uri, rows, split_by.as_deref(), attempt.settings, mark, sink).await?
            }
        };
        let (run_id, written_at) = (attempt.run_id.to_owned(), audit_time(Utc::now()));
        Ok(Success { run_id, written_at, rows: Some(rows), files })
    }
}

/// The name of a file.
pub(super) fn file_name(index: usize, mark: &str) -> String {
    format!("part-{index:05}-{mark}.parquet")
}

/// Encodes file after file, so that only one is in memory beside the rows.
async fn write_frame(
    uri: &str,
    frame: DataFrame,
    settings: WriteSettings,
    mark: &str,
    sink: &Sink,
) -> Result<(u64, Vec<SuccessFile>), Error> {
    let WriteSettings { codec, sizing } = settings;
    let (place, whole) = (uri.to_owned(), frame.clone());
    let count = blocking(uri, move || sizing.files(&place, &whole, codec)).await?;
    let mut files = Vec::with_capacity(count);
    for index in 0..count {
        let slice = file_slice(&frame, index, count);
        let name = file_name(index, mark);
        let rows = slice.height() as u64;
        let place = format!("{uri}/{name}");
        let bytes = blocking(uri, move || encode_parquet(&place, &slice, codec)).await?;
        files.push(SuccessFile { name: name.clone(), rows: Some(rows), bytes: bytes.len() as u64 });
        sink.bytes(&name, bytes).await?;
    }
    Ok((frame.height() as u64, files))
}
