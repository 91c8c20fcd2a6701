//! What is known of undeclared columns whose values are kept as text until all rows have been seen.

use std::collections::{BTreeMap, BTreeSet};

use polars::error::PolarsResult;
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Float64Chunked, Int64Chunked, IntoColumn, PlSmallStr, StringChunked,
};

use super::CORRUPT_COLUMN;
use super::cell::{BOOLEAN, FLOAT, INT, Unknown, text_column};
use super::rows::Finished;

/// The undeclared columns of all rows seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    columns: BTreeMap<String, Fact>,
    is_any_corrupt: bool,
}

#[derive(Clone, Debug)]
struct Fact {
    /// The types that all values fit; `None` before the first value.
    fits: Option<u8>,
    /// Values that are NaN or infinite if they are numbers.
    non_finite: u64,
}

impl Facts {
    /// Takes note of rows and gives them with all undeclared columns as text.
    pub fn take(&mut self, rows: Finished) -> PolarsResult<DataFrame> {
        let Finished { mut frame, unknown, corrupt, .. } = rows;
        let height = frame.height();
        for column in self.texts(unknown, height) {
            frame.with_column(column)?;
        }
        if !corrupt.is_empty() {
            self.is_any_corrupt = true;
            let corrupt = corrupt.into_iter().map(|(row, text)| (row as usize, text)).collect();
            frame.with_column(text_column(CORRUPT_COLUMN, height, corrupt))?;
        }
        Ok(frame)
    }

    fn texts(&mut self, unknown: Unknown, height: usize) -> Vec<Column> {
        let note = |(name, cells): (String, Vec<(usize, super::cell::Cell)>)| {
            let fact = self.columns.entry(name.clone()).or_insert(Fact { fits: None, non_finite: 0 });
            for (_, cell) in &cells {
                fact.fits = Some(fact.fits.map_or(cell.fits(), |fits| fits & cell.fits()));
                fact.non_finite += u64::from(cell.is_non_finite());
            }
            text_column(&name, height, cells.into_iter().map(|(row, cell)| (row, cell.into_text())).collect())
        };
        unknown.into_cells().map(note).collect()
    }

    /// Number of undeclared columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// NaN and infinite numbers in undeclared columns of numbers.
    pub fn non_finite(&self) -> u64 {
        let numbers = self.columns.values().filter(|fact| fact.kind() == DataType::Float64);
        numbers.map(|fact| fact.non_finite).sum()
    }

    /// The rows with their undeclared columns by name, in the narrowest type that fits all rows seen, and the texts of
    /// corrupt rows last, if there are any. `declared` are the columns before them.
    pub fn shape(&self, frame: &DataFrame) -> PolarsResult<DataFrame> {
        let height = frame.height();
        let own: BTreeSet<&str> = self.columns.keys().map(String::as_str).chain([CORRUPT_COLUMN]).collect();
        let declared = frame.columns().iter().filter(|column| !own.contains(column.name().as_str()));
        let mut columns: Vec<Column> = declared.cloned().collect();
        let text = |name: &str| match frame.column(name) {
            Ok(column) => column.clone(),
            Err(_) => Column::full_null(PlSmallStr::from_str(name), height, &DataType::String),
        };
        for (name, fact) in &self.columns {
            columns.push(typed(&text(name), &fact.kind())?);
        }
        if self.is_any_corrupt {
            columns.push(text(CORRUPT_COLUMN));
        }
        DataFrame::new(height, columns)
    }
}

impl Fact {
    fn kind(&self) -> DataType {
        let fits = self.fits.unwrap_or(0);
        match fits {
            _ if fits & INT != 0 => DataType::Int64,
            _ if fits & FLOAT != 0 => DataType::Float64,
            _ if fits & BOOLEAN != 0 => DataType::Boolean,
            _ => DataType::String,
        }
    }
}

fn typed(texts: &Column, kind: &DataType) -> PolarsResult<Column> {
    let (name, values) = (texts.name().clone(), texts.str()?);
    Ok(match kind {
        DataType::Int64 => {
            let numbers: Int64Chunked = each(values, |text| text.parse().ok());
            numbers.with_name(name).into_column()
        }
        DataType::Float64 => {
            let finite = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
            let numbers: Float64Chunked = each(values, finite);
            numbers.with_name(name).into_column()
        }
        DataType::Boolean => {
            let flags: BooleanChunked = each(values, |text| Some(text.eq_ignore_ascii_case("true")));
            flags.with_name(name).into_column()
        }
        _ => texts.clone(),
    })
}

fn each<T, C: FromIterator<Option<T>>>(values: &StringChunked, parse: impl Fn(&str) -> Option<T>) -> C {
    values.iter().map(|text| text.and_then(&parse)).collect()
}
