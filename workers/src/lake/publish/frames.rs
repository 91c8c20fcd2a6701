//! Frames of any number into files: as many, cut and encoded as if all rows were in memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use polars::error::PolarsResult;
use polars::prelude::DataFrame;

use super::sink::Sink;
use super::source::file_name;
use super::{WriteSettings, blocking};
use crate::lake::frames::{FrameIter, Frames, frame_bytes, rows_within};
use crate::lake::write::{ROW_GROUP_BYTES, SAMPLE_BYTES, SAMPLE_ROWS, parquet_writer, row_groups, slice_bounds};
use crate::lake::{Codec, Error, SuccessFile};

/// Writes the rows by temporary files; returns their number and the files, in reading order.
pub(super) async fn write_frames(
    uri: &str,
    frames: &Frames,
    settings: WriteSettings,
    mark: &str,
    sink: &Sink,
) -> Result<(u64, Vec<SuccessFile>), Error> {
    let WriteSettings { codec, sizing } = settings;
    let place = tempfile::Builder::new()
        .prefix("stepwell-publish-")
        .tempdir()
        .map_err(|error| Error::storage("create", std::env::temp_dir().display().to_string(), error))?;
    let path = place.path().join("file.parquet");
    let (rows, columns) = (frames.rows(), frames.columns().clone());
    let mut coming = Coming { frames: frames.iter(), waiting: VecDeque::new(), rows: 0, bytes: 0, uri: uri.to_owned() };
    let (count, mut coming) = blocking(uri, move || {
        let sample = coming.sample(&columns)?;
        Ok((sizing.files_by_sample(&coming.uri, &sample, rows, codec)?, coming))
    })
    .await?;
    let mut files = Vec::with_capacity(count);
    for index in 0..count {
        let (start, end) = slice_bounds(rows, index, count);
        let (path_of_file, columns) = (path.clone(), frames.columns().clone());
        let bytes;
        (coming, bytes) = blocking(uri, move || {
            let bytes = coming.write_file(&path_of_file, &columns, end - start, codec)?;
            Ok((coming, bytes))
        })
        .await?;
        let name = file_name(index, mark);
        sink.file(&name, &path).await?;
        files.push(SuccessFile { name, rows: Some(end - start), bytes });
    }
    Ok((rows, files))
}

/// The rows that are not written yet.
struct Coming {
    frames: FrameIter,
    waiting: VecDeque<DataFrame>,
    /// In the waiting frames.
    rows: usize,
    bytes: u64,
    uri: String,
}

impl Coming {
    /// Has so many rows waiting, or more than so many bytes, or all there are.
    fn wait_for(&mut self, rows: usize, bytes: u64) -> Result<(), Error> {
        while self.rows < rows && self.bytes <= bytes {
            let Some(frame) = self.frames.next() else { return Ok(()) };
            let frame = frame?;
            self.rows += frame.height();
            self.bytes += frame_bytes(&frame);
            self.waiting.push_back(frame);
        }
        Ok(())
    }

    /// The first rows, which stay.
    fn sample(&mut self, columns: &DataFrame) -> Result<DataFrame, Error> {
        self.wait_for(SAMPLE_ROWS, SAMPLE_BYTES)?;
        let mut sample = columns.clone();
        for frame in &self.waiting {
            sample.vstack_mut(frame).map_err(|error| self.fault(&error.to_string()))?;
        }
        let sample = sample.slice(0, SAMPLE_ROWS);
        Ok(sample.slice(0, rows_within(&sample, SAMPLE_BYTES).max(1)))
    }

    /// Takes so many rows, or as many of them as one row group may hold; at least one.
    fn take(&mut self, columns: &DataFrame, rows: usize) -> Result<DataFrame, Error> {
        self.wait_for(rows, ROW_GROUP_BYTES)?;
        let (mut taken, mut left) = (columns.clone(), ROW_GROUP_BYTES);
        while taken.height() < rows {
            let Some(frame) = self.waiting.pop_front() else { break };
            let fitting = rows_within(&frame, left).max(usize::from(taken.height() == 0));
            let part = frame.slice(0, fitting.min(rows - taken.height()).min(frame.height()));
            let bytes = frame_bytes(&part);
            taken.vstack_mut(&part).map_err(|error| self.fault(&error.to_string()))?;
            left = left.saturating_sub(bytes);
            self.rows -= part.height();
            self.bytes -= bytes;
            if part.height() < frame.height() {
                self.waiting.push_front(frame.slice(part.height() as i64, frame.height() - part.height()));
                break;
            }
        }
        if taken.height() == 0 {
            return Err(self.fault("the rows ended before the last that was announced"));
        }
        taken.rechunk_mut();
        Ok(taken)
    }

    /// Writes the next rows as one file; its size in bytes.
    fn write_file(&mut self, path: &Path, columns: &DataFrame, rows: u64, codec: Codec) -> Result<u64, Error> {
        let file = File::create(path).map_err(|error| Error::storage("write", path.display().to_string(), error))?;
        let mut file = BufWriter::new(file);
        let mut writer = self.written(parquet_writer(&mut file, codec).batched(columns.schema()))?;
        for mut group in row_groups(columns, rows) {
            while group > 0 {
                let frame = self.take(columns, group)?;
                self.written(writer.write_batch(&frame))?;
                group -= frame.height();
            }
        }
        let bytes = self.written(writer.finish())?;
        drop(writer);
        file.flush().map_err(|error| self.fault(&error.to_string()))?;
        Ok(bytes)
    }

    fn written<T>(&self, result: PolarsResult<T>) -> Result<T, Error> {
        result.map_err(|error| self.fault(&error.to_string()))
    }

    fn fault(&self, reason: &str) -> Error {
        Error::Encode { uri: self.uri.clone(), reason: reason.to_owned() }
    }
}
