//! Frames that are given back as they came.

use std::sync::Arc;

use polars::prelude::DataFrame;

use super::file::FrameFile;
use super::{FrameIter, Frames, frame_bytes, rows_error, stack};
use crate::lake::Error;

/// Pieces of the allowance that are read at once.
const PIECES: u64 = 16;

/// Takes frames of the same columns; those beyond the allowance go to the disk.
#[derive(Debug)]
pub(crate) struct Queue {
    memory_bytes: u64,
    rows: u64,
    columns: Option<DataFrame>,
    held: Vec<DataFrame>,
    held_bytes: u64,
    file: Option<FrameFile>,
}

impl Queue {
    /// One that holds up to so many bytes.
    pub fn new(memory_bytes: u64) -> Queue {
        Queue { memory_bytes, rows: 0, columns: None, held: Vec::new(), held_bytes: 0, file: None }
    }

    /// Adds rows at the end.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn push(&mut self, frame: DataFrame) -> Result<(), Error> {
        if self.columns.is_none() {
            self.columns = Some(frame.slice(0, 0));
        }
        if frame.height() == 0 {
            return Ok(());
        }
        self.rows += frame.height() as u64;
        if let Some(file) = &mut self.file {
            return file.append_cut(&frame, self.memory_bytes / PIECES);
        }
        self.held_bytes += frame_bytes(&frame);
        self.held.push(frame);
        if self.held_bytes > self.memory_bytes {
            let mut file = FrameFile::create()?;
            for frame in self.held.drain(..) {
                file.append_cut(&frame, self.memory_bytes / PIECES)?;
            }
            self.file = Some(file);
        }
        Ok(())
    }

    /// The rows. `uri` is where they go, for errors.
    ///
    /// # Errors
    /// [`Error::Rows`] if the frames do not have the same columns.
    pub fn finish(self, uri: &str) -> Result<Frames, Error> {
        let columns = self.columns.unwrap_or_else(DataFrame::empty);
        let Some(file) = self.file else {
            let frames = std::iter::once(columns).chain(self.held).collect();
            return stack(frames).map(Frames::held).map_err(|error| rows_error(uri, error));
        };
        let file = Arc::new(file);
        let open = move || -> FrameIter {
            let file = file.clone();
            Box::new((0..file.len()).map(move |index| file.read(index)))
        };
        Ok(Frames::opened(self.rows, columns, open))
    }
}
