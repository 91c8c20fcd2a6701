//! Sorted runs into one order.

use std::sync::Arc;

use polars::error::PolarsResult;
use polars::prelude::DataFrame;

use super::file::FrameFile;
use super::key::{Keys, SortKey, compare};
use super::{rows_error, stack};
use crate::lake::Error;

/// What errors of polars here are about.
const WHAT: &str = "temporary files";

/// Frames in the order of the key out of runs that each have it, with one frame of each run in memory. Rows with the same
/// key come in the order of their runs.
pub(super) struct Merge {
    key: SortKey,
    cursors: Vec<Cursor>,
}

/// Where a run stands.
struct Cursor {
    run: Arc<FrameFile>,
    next: usize,
    buffer: Option<Buffer>,
}

/// A frame of a run and its first row that is not taken.
struct Buffer {
    frame: DataFrame,
    keys: Keys,
    at: usize,
}

impl Merge {
    /// Of runs in their order.
    pub fn new(key: SortKey, runs: impl IntoIterator<Item = Arc<FrameFile>>) -> Merge {
        let cursors = runs.into_iter().map(|run| Cursor { run, next: 0, buffer: None }).collect();
        Merge { key, cursors }
    }

    fn advance(&mut self) -> Result<Option<DataFrame>, Error> {
        for cursor in &mut self.cursors {
            cursor.fill(self.key)?;
        }
        let taken = self.take_ready();
        let sorted = taken.and_then(|mut frames| match frames.len() {
            0 => Ok(None),
            1 => Ok(frames.pop()),
            _ => self.key.sort(&stack(frames)?).map(Some),
        });
        sorted.map_err(|error| rows_error(WHAT, error))
    }

    /// Takes the rows that nothing still on the disk can come before: those up to the least of the keys that frames with
    /// more behind them end with. Of rows with that very key, those of later runs wait for the rest of the run.
    fn take_ready(&mut self) -> PolarsResult<Vec<DataFrame>> {
        let mut least: Option<usize> = None;
        for (at, cursor) in self.cursors.iter().enumerate().filter(|(_, cursor)| cursor.has_more()) {
            let Some(buffer) = &cursor.buffer else { continue };
            let last_of = |buffer: &Buffer| buffer.frame.height() - 1;
            let is_less = match least.and_then(|at| self.cursors[at].buffer.as_ref()) {
                Some(other) => compare(buffer.keys.at(last_of(buffer)), other.keys.at(last_of(other))).is_lt(),
                None => true,
            };
            if is_less {
                least = Some(at);
            }
        }
        let bound = least.and_then(|at| self.cursors[at].buffer.as_ref()).map(|buffer| {
            let (text, instant) = buffer.keys.at(buffer.frame.height() - 1);
            (text.map(str::to_owned), instant)
        });
        let mut frames = Vec::new();
        for (at, cursor) in self.cursors.iter_mut().enumerate() {
            let Some(buffer) = &mut cursor.buffer else { continue };
            let height = buffer.frame.height();
            let count = match (&bound, least) {
                (Some((text, instant)), Some(least)) => {
                    buffer.keys.count_before(buffer.at, height, (text.as_deref(), *instant), at <= least)
                }
                _ => height - buffer.at,
            };
            if count > 0 {
                frames.push(buffer.frame.slice(buffer.at as i64, count));
                buffer.at += count;
            }
            if buffer.at == height {
                cursor.buffer = None;
            }
        }
        Ok(frames)
    }
}

impl Iterator for Merge {
    type Item = Result<DataFrame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Cursor {
    fn has_more(&self) -> bool {
        self.next < self.run.len()
    }

    /// Reads the next frame if there is none in memory.
    fn fill(&mut self, key: SortKey) -> Result<(), Error> {
        while self.buffer.is_none() && self.has_more() {
            let frame = self.run.read(self.next)?;
            self.next += 1;
            if frame.height() > 0 {
                let keys = Keys::of(&frame, key).map_err(|error| rows_error(WHAT, error))?;
                self.buffer = Some(Buffer { frame, keys, at: 0 });
            }
        }
        Ok(())
    }
}
