//! Frames that are given back in order.

use std::sync::Arc;

use polars::prelude::DataFrame;

use super::file::FrameFile;
use super::key::SortKey;
use super::merge::Merge;
use super::{FrameIter, Frames, frame_bytes, rows_error, stack};
use crate::lake::Error;

/// Part of the allowance that is sorted at once; sorting takes as much again.
const RUN_PART: u64 = 4;
/// Frames of a run; one of each is in memory while runs are merged.
const RUN_FRAMES: u64 = 16;
/// Runs that are merged into one, so that their number does not grow with the rows.
const RUNS_MAX: usize = 16;
/// Runs are not smaller than this, whatever the allowance.
const RUN_BYTES_MIN: u64 = 4 << 10;

/// Takes frames, whose columns are united by name, and sorts them by runs on the disk.
#[derive(Debug)]
pub(crate) struct Sorter {
    key: SortKey,
    run_bytes: u64,
    rows: u64,
    pending: Vec<DataFrame>,
    pending_bytes: u64,
    /// All columns seen.
    columns: DataFrame,
    /// Runs by how often they were merged, each level in the order of its rows; a higher level comes before the lower ones.
    levels: Vec<Vec<Arc<FrameFile>>>,
}

impl Sorter {
    /// One that holds up to so many bytes, about.
    pub fn new(key: SortKey, memory_bytes: u64) -> Sorter {
        let run_bytes = (memory_bytes / RUN_PART).max(RUN_BYTES_MIN);
        let columns = DataFrame::empty();
        Sorter { key, run_bytes, rows: 0, pending: Vec::new(), pending_bytes: 0, columns, levels: Vec::new() }
    }

    /// Adds rows; those with the key of earlier ones come after them. The columns of the key are text and timestamp.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Rows`].
    pub fn add(&mut self, frame: DataFrame) -> Result<(), Error> {
        self.columns = stack(vec![std::mem::take(&mut self.columns), frame.slice(0, 0)]).map_err(fault)?;
        if frame.height() == 0 {
            return Ok(());
        }
        self.rows += frame.height() as u64;
        self.pending_bytes += frame_bytes(&frame);
        self.pending.push(frame);
        if self.pending_bytes >= self.run_bytes { self.write_run() } else { Ok(()) }
    }

    /// The rows in order, all columns that were seen in each frame.
    ///
    /// # Errors
    /// As [`Sorter::add`].
    pub fn finish(mut self) -> Result<Frames, Error> {
        if self.levels.is_empty() {
            let frames = std::iter::once(self.columns).chain(self.pending).collect();
            let sorted = stack(frames).and_then(|frame| self.key.sort(&frame));
            return sorted.map(Frames::held).map_err(fault);
        }
        if !self.pending.is_empty() {
            self.write_run()?;
        }
        let runs: Vec<Arc<FrameFile>> = self.levels.into_iter().rev().flatten().collect();
        let (key, columns) = (self.key, self.columns.clone());
        let open = move || -> FrameIter {
            let columns = columns.clone();
            let merged = Merge::new(key, runs.iter().cloned());
            Box::new(merged.map(move |frame| stack(vec![columns.clone(), frame?]).map_err(fault)))
        };
        Ok(Frames::opened(self.rows, self.columns, open))
    }

    fn write_run(&mut self) -> Result<(), Error> {
        self.pending_bytes = 0;
        let frame = stack(std::mem::take(&mut self.pending)).and_then(|frame| self.key.sort(&frame)).map_err(fault)?;
        let mut run = FrameFile::create()?;
        run.append_cut(&frame, self.run_bytes / RUN_FRAMES)?;
        drop(frame);
        self.keep(run, 0)
    }

    /// Adds a run to its level; when that is full, its runs become one of the next.
    fn keep(&mut self, run: FrameFile, level: usize) -> Result<(), Error> {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(Arc::new(run));
        if self.levels[level].len() < RUNS_MAX {
            return Ok(());
        }
        let runs = std::mem::take(&mut self.levels[level]);
        let mut whole = FrameFile::create()?;
        for frame in Merge::new(self.key, runs) {
            whole.append_cut(&frame?, self.run_bytes / RUN_FRAMES)?;
        }
        self.keep(whole, level + 1)
    }
}

fn fault(error: polars::error::PolarsError) -> Error {
    rows_error("temporary files", error)
}
