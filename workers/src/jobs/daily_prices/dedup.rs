//! One row per symbol and day.

use std::collections::{HashMap, HashSet};

use polars::error::PolarsResult;
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray, PlSmallStr};

use super::columns::KNOWN;
use crate::lake::read::{Kind, MICROS_PER_DAY};

/// Rows left, and what was taken out.
#[derive(Clone, Debug)]
pub(super) struct Deduplicated {
    pub frame: DataFrame,
    /// Rows equal to a kept one in all known columns.
    pub identical: u64,
    /// Rows of a symbol and day that differ from the kept one.
    pub conflicting: u64,
}

/// Keeps, of the rows of one (symbol, UTC date), the one with the latest timestamp, and of those the last.
///
/// The rows are in the order of their source keys where symbol and timestamp are equal (compaction sorts them so), which
/// makes the last the one with the greatest source key. Symbol and timestamp are not null.
///
/// Source: pipelines.md 1.7, "Deduplication".
pub(super) fn deduplicate(frame: &DataFrame) -> PolarsResult<Deduplicated> {
    let micros: Vec<Option<i64>> = frame.column("timestamp")?.datetime()?.physical().iter().collect();
    let mut groups: HashMap<(&str, i64), Vec<usize>> = HashMap::with_capacity(frame.height());
    for (row, (symbol, at)) in frame.column("symbol")?.str()?.iter().zip(&micros).enumerate() {
        let key = (symbol.unwrap_or_default(), at.unwrap_or_default().div_euclid(MICROS_PER_DAY));
        groups.entry(key).or_default().push(row);
    }
    let numbers = KNOWN.iter().filter(|column| column.kind == Kind::Number);
    let numbers = numbers.map(|column| frame.column(column.name)?.f64()).collect::<PolarsResult<Vec<_>>>()?;
    let mut keep = vec![true; frame.height()];
    let (mut identical, mut conflicting) = (0, 0);
    for rows in groups.into_values().filter(|rows| rows.len() > 1) {
        // What tells rows of one symbol apart; a set, because a day may have very many of them.
        let mut kinds: HashSet<(Option<i64>, Vec<Option<u64>>)> = HashSet::new();
        for row in &rows {
            keep[*row] = false;
            // Both zeros are one number.
            let values = numbers.iter().map(|values| values.get(*row).map(|value| (value + 0.0).to_bits()));
            if !kinds.insert((micros[*row], values.collect())) {
                identical += 1;
            }
        }
        conflicting += kinds.len() as u64 - 1;
        if let Some(last) = rows.into_iter().max_by_key(|row| (micros[*row], *row)) {
            keep[last] = true;
        }
    }
    let frame = frame.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &keep))?;
    Ok(Deduplicated { frame, identical, conflicting })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::read::conform;
    use polars::prelude::df;

    #[test]
    fn the_latest_row_of_a_symbol_and_day_stays() {
        let frame = df!(
            "symbol" => ["A", "A", "A", "B", "B", "C", "C", "C"],
            "timestamp" => ["2012-05-18", "2012-05-18", "2012-05-18", "2012-05-18T00:00", "2012-05-18T09:30",
                "2012-05-18", "2012-05-18", "2012-05-19"],
            "close" => [Some(1.0), Some(1.0), Some(1.0), Some(2.0), Some(3.0), None, Some(5.0), None],
        );
        let frame = conform(&frame.unwrap(), KNOWN).unwrap();
        let kept = deduplicate(&frame).unwrap();
        assert_eq!((kept.identical, kept.conflicting), (2, 2));
        let rows: Vec<_> = kept.frame.column("close").unwrap().f64().unwrap().iter().collect();
        assert_eq!(rows, [Some(1.0), Some(3.0), Some(5.0), None]);
    }
}
