//! What rows are ordered by.

use std::cmp::Ordering;

use polars::error::PolarsResult;
use polars::prelude::{DataFrame, Int64Chunked, SortMultipleOptions, StringChunked};

/// A text column and perhaps a time column, ascending, nulls last; rows with the same key stay in the order they came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SortKey {
    /// The text column.
    pub text: &'static str,
    /// The time column.
    pub instant: Option<&'static str>,
}

/// The key of a row.
pub(super) type Key<'a> = (Option<&'a str>, Option<i64>);

impl SortKey {
    /// The rows in order.
    pub fn sort(self, frame: &DataFrame) -> PolarsResult<DataFrame> {
        let options = SortMultipleOptions::default().with_maintain_order(true).with_nulls_last(true);
        frame.sort(std::iter::once(self.text).chain(self.instant), options)
    }
}

/// The keys of a frame's rows.
#[derive(Debug)]
pub(super) struct Keys {
    texts: StringChunked,
    instants: Option<Int64Chunked>,
}

impl Keys {
    pub fn of(frame: &DataFrame, key: SortKey) -> PolarsResult<Keys> {
        let texts = frame.column(key.text)?.str()?.clone();
        let instants = match key.instant {
            Some(name) => Some(frame.column(name)?.datetime()?.physical().clone()),
            None => None,
        };
        Ok(Keys { texts, instants })
    }

    /// The key of a row.
    pub fn at(&self, row: usize) -> Key<'_> {
        (self.texts.get(row), self.instants.as_ref().and_then(|instants| instants.get(row)))
    }

    /// How many of the rows `from..to`, which are in order, come before `bound`, those with the same key included or not.
    pub fn count_before(&self, from: usize, to: usize, bound: Key<'_>, with_equal: bool) -> usize {
        let (mut low, mut high) = (from, to);
        while low < high {
            let middle = low + (high - low) / 2;
            let before = match compare(self.at(middle), bound) {
                Ordering::Less => true,
                Ordering::Equal => with_equal,
                Ordering::Greater => false,
            };
            if before { low = middle + 1 } else { high = middle }
        }
        low - from
    }
}

/// The order of two keys.
pub(super) fn compare(a: Key<'_>, b: Key<'_>) -> Ordering {
    nulls_last(a.0, b.0).then_with(|| nulls_last(a.1, b.1))
}

fn nulls_last<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(&b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}
