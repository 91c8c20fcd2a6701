//! Rows as polars frames, one after the other, that need not fit into memory.
//!
//! [`Frames`] can be gone through any number of times: one frame that is held, or as many as it takes from this machine's
//! disk. A [`Queue`] takes frames and gives them back in their order, a [`Sorter`] in the order of a [`SortKey`]; both hold
//! what fits into an allowance and put the rest into temporary files without a name, which are gone with the process. What
//! is published is the same either way ([`super::publish::publish_frames`]).

mod file;
mod key;
mod merge;
mod queue;
mod sort;

use std::fmt;
use std::sync::Arc;

use polars::error::PolarsResult;
use polars::prelude::{Column, DataFrame, DataType};

use super::Error;

pub(crate) use key::SortKey;
pub(crate) use queue::Queue;
pub(crate) use sort::Sorter;

/// What a value of a nested type takes, about.
const NESTED_BYTES: u64 = 64;

/// Frames on their way.
pub(crate) type FrameIter = Box<dyn Iterator<Item = Result<DataFrame, Error>> + Send>;

/// Rows of the same columns, in order.
#[derive(Clone)]
pub(crate) struct Frames {
    rows: u64,
    columns: DataFrame,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Held(DataFrame),
    Opened(Arc<dyn Fn() -> FrameIter + Send + Sync>),
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.get_column_names();
        f.debug_struct("Frames").field("rows", &self.rows).field("columns", &columns).finish_non_exhaustive()
    }
}

impl Frames {
    /// A frame that is in memory.
    pub fn held(frame: DataFrame) -> Frames {
        Frames { rows: frame.height() as u64, columns: frame.slice(0, 0), source: Source::Held(frame) }
    }

    /// So many rows with the columns of a frame without rows; `open` begins to read them.
    pub fn opened(rows: u64, columns: DataFrame, open: impl Fn() -> FrameIter + Send + Sync + 'static) -> Frames {
        Frames { rows, columns, source: Source::Opened(Arc::new(open)) }
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns: a frame without rows.
    pub fn columns(&self) -> &DataFrame {
        &self.columns
    }

    /// All rows, if they are in memory.
    pub fn in_memory(&self) -> Option<&DataFrame> {
        match &self.source {
            Source::Held(frame) => Some(frame),
            Source::Opened(_) => None,
        }
    }

    /// The frames from the first one on; each of bounded size unless all rows are in memory.
    pub fn iter(&self) -> FrameIter {
        match &self.source {
            Source::Held(frame) => Box::new(std::iter::once(Ok(frame.clone()))),
            Source::Opened(open) => open(),
        }
    }

    /// The same rows with something done to each frame, which leaves their number. `uri` is where they go, for errors.
    ///
    /// # Errors
    /// [`Error::Rows`] if it cannot be done even to a frame without rows, or to one that is in memory.
    pub fn map(
        self,
        uri: &str,
        change: impl Fn(&DataFrame) -> PolarsResult<DataFrame> + Send + Sync + 'static,
    ) -> Result<Frames, Error> {
        let failed = {
            let uri = uri.to_owned();
            move |error| rows_error(&uri, error)
        };
        let columns = change(&self.columns).map_err(&failed)?;
        let source = match self.source {
            Source::Held(frame) => Source::Held(change(&frame).map_err(&failed)?),
            Source::Opened(open) => {
                let (change, failed) = (Arc::new(change), Arc::new(failed));
                Source::Opened(Arc::new(move || {
                    let (change, failed) = (change.clone(), failed.clone());
                    Box::new(open().map(move |frame| change(&frame?).map_err(|error| failed(error))))
                }))
            }
        };
        Ok(Frames { rows: self.rows, columns, source })
    }
}

/// A fault of polars at rows on their way to `uri`.
pub(crate) fn rows_error(uri: &str, error: polars::error::PolarsError) -> Error {
    Error::Rows { uri: uri.to_owned(), source: error.into() }
}

/// What a frame takes in memory, about, in bytes: the sum of what its rows take, whatever they share.
pub(crate) fn frame_bytes(frame: &DataFrame) -> u64 {
    let text_bytes = |column: &Column| -> u64 {
        column.str().map_or(0, |texts| texts.iter().flatten().map(|text| text.len() as u64).sum())
    };
    frame.height() as u64 * row_bytes(frame) + frame.columns().iter().map(text_bytes).sum::<u64>()
}

/// What each row takes without its texts.
fn row_bytes(columns: &DataFrame) -> u64 {
    let column_bytes = |column: &Column| match column.dtype() {
        DataType::Null => 0,
        DataType::Boolean => 1,
        DataType::String | DataType::Decimal(..) => 16,
        kind if kind.is_nested() => NESTED_BYTES,
        _ => 8,
    };
    columns.columns().iter().map(column_bytes).sum()
}

/// How many rows at the beginning take no more than so many bytes together.
pub(crate) fn rows_within(frame: &DataFrame, bytes_max: u64) -> usize {
    if frame_bytes(frame) <= bytes_max {
        return frame.height();
    }
    let mut bytes = vec![row_bytes(frame); frame.height()];
    for texts in frame.columns().iter().filter_map(|column| column.str().ok()) {
        for (bytes, text) in bytes.iter_mut().zip(texts.iter()) {
            *bytes += text.map_or(0, |text| text.len() as u64);
        }
    }
    let mut left = bytes_max;
    bytes.into_iter().take_while(|bytes| left.checked_sub(*bytes).map(|rest| left = rest).is_some()).count()
}

/// Frames one below the other, columns united by name in the order they appear; absent ones are null.
fn stack(frames: Vec<DataFrame>) -> PolarsResult<DataFrame> {
    let mut columns: Vec<(polars::prelude::PlSmallStr, DataType)> = Vec::new();
    for column in frames.iter().flat_map(DataFrame::columns) {
        if !columns.iter().any(|(name, _)| name == column.name()) {
            columns.push((column.name().clone(), column.dtype().clone()));
        }
    }
    let mut whole: Option<DataFrame> = None;
    for frame in frames {
        let frame = if frame.width() == columns.len() && same_order(&frame, &columns) {
            frame
        } else {
            let height = frame.height();
            let all = columns.iter().map(|(name, dtype)| match frame.column(name) {
                Ok(column) => column.clone(),
                Err(_) => Column::full_null(name.clone(), height, dtype),
            });
            DataFrame::new(height, all.collect())?
        };
        match &mut whole {
            Some(whole) => {
                whole.vstack_mut_owned(frame)?;
            }
            None => whole = Some(frame),
        }
    }
    let mut whole = whole.unwrap_or_else(DataFrame::empty);
    whole.rechunk_mut();
    Ok(whole)
}

fn same_order(frame: &DataFrame, columns: &[(polars::prelude::PlSmallStr, DataType)]) -> bool {
    frame.columns().iter().zip(columns).all(|(column, (name, _))| column.name() == name)
}

#[cfg(test)]
mod tests;
