//! Columns nobody declared: values are kept as they came until all rows are known, then get the narrowest type.

use std::collections::BTreeMap;

use polars::prelude::{
    BooleanChunked, BooleanChunkedBuilder, ChunkedBuilder, Column, Float64Type, Int64Type, IntoColumn, PlSmallStr,
    PrimitiveChunkedBuilder, StringChunkedBuilder,
};

use super::limit::EXTRA_COLUMNS_MAX;

/// A value of an undeclared column; null has no cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Text that may be a number or boolean: a CSV field, a bare JSON value.
    Plain(PlSmallStr),
    /// Text that is text: a JSON string, or JSON text of a nested value.
    Text(PlSmallStr),
}

impl Cell {
    /// Length of its text, in bytes.
    pub fn text_bytes(&self) -> u64 {
        let (Cell::Plain(text) | Cell::Text(text)) = self;
        text.len() as u64
    }

    /// Its text.
    pub fn into_text(self) -> String {
        let (Cell::Plain(text) | Cell::Text(text)) = self;
        text.into_string()
    }

    /// Whether it is NaN or infinite, taken as a number.
    pub fn is_non_finite(&self) -> bool {
        matches!(self, Cell::Plain(text) if text.parse::<f64>().is_ok_and(|value| !value.is_finite()))
    }

    /// The types it fits, besides string.
    pub fn fits(&self) -> u8 {
        fits(self)
    }
}

/// Cells by column, each with its row number, ascending.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    columns: BTreeMap<String, Vec<(usize, Cell)>>,
}

impl Unknown {
    /// Makes the column known even if every value turns out null.
    pub fn see(&mut self, name: &str) -> &mut Vec<(usize, Cell)> {
        if !self.columns.contains_key(name) {
            self.columns.insert(name.to_owned(), Vec::new());
        }
        self.columns.get_mut(name).expect("it was just inserted")
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Adds the cells of rows that start at row `offset` here.
    pub fn append(&mut self, other: Unknown, offset: usize) {
        for (name, cells) in other.columns {
            let own = self.columns.entry(name).or_default();
            own.extend(cells.into_iter().map(|(row, cell)| (row + offset, cell)));
        }
    }

    /// The cells by column name.
    pub fn into_cells(self) -> impl Iterator<Item = (String, Vec<(usize, Cell)>)> {
        self.columns.into_iter()
    }

    /// The columns by name: int64, float64, boolean or string, the narrowest that fits every value. A column without
    /// any value is a string column.
    pub fn into_columns(self, height: usize, non_finite: &mut u64) -> Result<Vec<Column>, String> {
        if self.columns.len() > EXTRA_COLUMNS_MAX {
            return Err(too_many_columns());
        }
        Ok(self.columns.into_iter().map(|(name, cells)| column(&name, height, cells, non_finite)).collect())
    }
}

/// What is said of more undeclared columns than are taken.
pub(super) fn too_many_columns() -> String {
    format!("more than EXTRA_COLUMNS_MAX = {EXTRA_COLUMNS_MAX} columns beside the declared ones")
}

/// Types a value may fit.
pub(super) const INT: u8 = 1;
pub(super) const FLOAT: u8 = 2;
pub(super) const BOOLEAN: u8 = 4;

/// The types a value fits, besides string.
fn fits(cell: &Cell) -> u8 {
    let Cell::Plain(text) = cell else { return 0 };
    let digits = text.trim_start_matches('-');
    // A leading zero means an identifier, which must keep it.
    if digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit() {
        return 0;
    }
    if digits.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<i64>().is_ok() {
        return INT | FLOAT;
    }
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return BOOLEAN;
    }
    if text.parse::<f64>().is_ok() { FLOAT } else { 0 }
}

fn column(name: &str, height: usize, cells: Vec<(usize, Cell)>, non_finite: &mut u64) -> Column {
    let common =
        if cells.is_empty() { 0 } else { cells.iter().fold(INT | FLOAT | BOOLEAN, |all, (_, c)| all & fits(c)) };
    let text = |cell: Cell| match cell {
        Cell::Plain(text) | Cell::Text(text) => text,
    };
    let name = PlSmallStr::from_str(name);
    if common & INT != 0 {
        let mut builder = PrimitiveChunkedBuilder::<Int64Type>::new(name, height);
        spread(height, cells, |cell| builder.append_option(cell.and_then(|cell| text(cell).parse().ok())));
        builder.finish().into_column()
    } else if common & FLOAT != 0 {
        let mut builder = PrimitiveChunkedBuilder::<Float64Type>::new(name, height);
        spread(height, cells, |cell| {
            let value = cell.and_then(|cell| text(cell).parse::<f64>().ok());
            *non_finite += u64::from(value.is_some_and(|value| !value.is_finite()));
            builder.append_option(value.filter(|value| value.is_finite()));
        });
        builder.finish().into_column()
    } else if common & BOOLEAN != 0 {
        let mut builder = BooleanChunkedBuilder::new(name, height);
        spread(height, cells, |cell| builder.append_option(cell.map(|cell| text(cell).eq_ignore_ascii_case("true"))));
        let done: BooleanChunked = builder.finish();
        done.into_column()
    } else {
        let mut builder = StringChunkedBuilder::new(name, height);
        spread(height, cells, |cell| builder.append_option(cell.map(text)));
        builder.finish().into_column()
    }
}

/// A string column with values at some rows (ascending).
pub(super) fn text_column(name: &str, height: usize, values: Vec<(usize, String)>) -> Column {
    let mut builder = StringChunkedBuilder::new(PlSmallStr::from_str(name), height);
    spread(height, values, |value| builder.append_option(value));
    builder.finish().into_column()
}

/// Calls `append` for every row, with `None` where there is no value.
fn spread<T>(height: usize, values: Vec<(usize, T)>, mut append: impl FnMut(Option<T>)) {
    let mut next = 0;
    for (row, value) in values {
        while next < row {
            append(None);
            next += 1;
        }
        append(Some(value));
        next = row + 1;
    }
    while next < height {
        append(None);
        next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::DataType;

    #[test]
    fn undeclared_columns_get_the_narrowest_type_that_fits() {
        let plain = |text: &str| Cell::Plain(text.into());
        let text = |text: &str| Cell::Text(text.into());
        for (cells, expected) in [
            (vec![plain("1"), plain("-20")], DataType::Int64),
            (vec![plain("1"), plain("2.5")], DataType::Float64),
            (vec![plain("1"), plain("9223372036854775808")], DataType::Float64),
            (vec![plain("1e3"), plain("NaN")], DataType::Float64),
            (vec![plain("true"), plain("FALSE")], DataType::Boolean),
            (vec![plain("true"), plain("1")], DataType::String),
            (vec![plain("1"), text("1")], DataType::String),
            (vec![plain("007"), plain("1")], DataType::String),
            (vec![plain("+5")], DataType::Float64),
            (vec![plain("NASDAQ")], DataType::String),
            (vec![], DataType::String),
        ] {
            let rows = cells.iter().cloned().enumerate().map(|(row, cell)| (row + 1, cell)).collect();
            let column = column("x", 4, rows, &mut 0);
            assert_eq!((column.dtype(), column.len()), (&expected, 4), "{cells:?}");
            assert_eq!(column.null_count(), 4 - cells.iter().filter(|cell| **cell != plain("NaN")).count());
        }
    }
}
