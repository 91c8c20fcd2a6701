//! Typed column builders that rows are appended to.

use polars::error::PolarsResult;
use polars::prelude::{
    ChunkedBuilder, DataFrame, Float64Type, Int64Type, IntoColumn, PlSmallStr, PrimitiveChunkedBuilder,
    StringChunkedBuilder, TimeUnit, TimeZone,
};

use super::cell::{Cell, Unknown};
use super::limit::Budget;
use super::{CORRUPT_COLUMN, Kind, ReadSettings, parse_instant};
use crate::lake::Error;

/// What a declared value takes, about; text takes its length as well.
const VALUE_BYTES: u64 = 16;
/// What an undeclared value takes, about, besides its text.
const CELL_BYTES: u64 = 40;

/// Rows read so far, declared columns typed, others kept as cells.
pub(super) struct Rows {
    pub settings: ReadSettings,
    /// The columns that the object says it has, where these rows are its first.
    pub columns: Option<Vec<String>>,
    /// The line of a quote that the object does not close, where these rows are its last.
    pub open_quote_line: Option<u64>,
    builders: Vec<Builder>,
    unknown: Unknown,
    corrupt: Vec<(u32, String)>,
    non_finite: u64,
    height: u32,
    values: Vec<Value>,
    is_corrupt: bool,
    /// What the rows take in memory, about.
    bytes: u64,
    /// Rows and bytes already taken out of the budget.
    spent: (u64, u64),
}

enum Builder {
    Text(StringChunkedBuilder),
    Number(PrimitiveChunkedBuilder<Float64Type>),
    Instant(PrimitiveChunkedBuilder<Int64Type>),
}

/// A declared value of the row being read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Text(PlSmallStr),
    Number(f64),
    Instant(i64),
}

/// Where a column's values go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Declared(usize),
    /// The raw data bring their own corrupt-record column: a value in it marks the row as corrupt.
    Corrupt,
    Ignored,
    Unknown(String),
}

/// What a set of rows becomes.
pub(super) struct Finished {
    pub frame: DataFrame,
    pub unknown: Unknown,
    pub corrupt: Vec<(u32, String)>,
    pub non_finite: u64,
}

impl ReadSettings {
    pub(super) fn target(&self, name: &str) -> Target {
        match self.declared.iter().position(|column| column.name == name) {
            Some(index) => Target::Declared(index),
            None if name == CORRUPT_COLUMN => Target::Corrupt,
            None if self.ignored.contains(&name) => Target::Ignored,
            None => Target::Unknown(name.to_owned()),
        }
    }
}

impl Rows {
    pub fn new(settings: ReadSettings) -> Rows {
        let builders = settings.declared.iter().map(|column| {
            let name = PlSmallStr::from_static(column.name);
            match column.kind {
                Kind::Text => Builder::Text(StringChunkedBuilder::new(name, 0)),
                Kind::Number => Builder::Number(PrimitiveChunkedBuilder::new(name, 0)),
                Kind::Instant => Builder::Instant(PrimitiveChunkedBuilder::new(name, 0)),
            }
        });
        Rows {
            builders: builders.collect(),
            values: vec![Value::Null; settings.declared.len()],
            settings,
            columns: None,
            open_quote_line: None,
            unknown: Unknown::default(),
            corrupt: Vec::new(),
            non_finite: 0,
            height: 0,
            is_corrupt: false,
            bytes: 0,
            spent: (0, 0),
        }
    }

    /// Takes what came since the last time out of the budget.
    ///
    /// # Errors
    /// [`Error::Limit`] naming `uri`.
    pub fn spend(&mut self, budget: &Budget, uri: &str) -> Result<(), Error> {
        let (records, bytes) = (self.height() - self.spent.0, self.bytes - self.spent.1);
        self.spent = (self.height(), self.bytes);
        budget.spend(uri, records, bytes)
    }

    pub fn height(&self) -> u64 {
        u64::from(self.height)
    }

    /// What the rows take in memory, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of undeclared columns seen.
    pub fn unknown_columns(&self) -> usize {
        self.unknown.len()
    }

    /// Makes an undeclared column known.
    pub fn see(&mut self, name: &str) {
        self.unknown.see(name);
    }

    /// Sets a declared value of the current row from text; blank is null, what does not parse makes the row corrupt.
    pub fn set_text(&mut self, column: usize, text: &str) {
        let text = text.trim();
        self.values[column] = match self.settings.declared[column].kind {
            _ if text.is_empty() => Value::Null,
            Kind::Text => Value::Text(PlSmallStr::from_str(text)),
            Kind::Number => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Number(number),
                Ok(_) => {
                    self.non_finite += 1;
                    Value::Null
                }
                Err(_) => self.corrupt_value(),
            },
            Kind::Instant => parse_instant(text).map_or_else(|| self.corrupt_value(), Value::Instant),
        };
    }

    /// Sets a declared value that needs no parsing.
    pub fn set(&mut self, column: usize, value: Value) {
        self.values[column] = match value {
            Value::Number(number) if !number.is_finite() => {
                self.non_finite += 1;
                Value::Null
            }
            value => value,
        };
    }

    /// Sets an undeclared value of the current row; a later one replaces an earlier one of the same row.
    pub fn set_unknown(&mut self, name: &str, cell: Cell) {
        let row = self.height as usize;
        self.bytes += CELL_BYTES + cell.text_bytes();
        let cells = self.unknown.see(name);
        match cells.last_mut() {
            Some((last, old)) if *last == row => *old = cell,
            _ => cells.push((row, cell)),
        }
    }

    /// Marks the current row as corrupt.
    pub fn mark_corrupt(&mut self) {
        self.is_corrupt = true;
    }

    fn corrupt_value(&mut self) -> Value {
        self.is_corrupt = true;
        Value::Null
    }

    /// Ends the current row. `text` is what it was read from, kept if the row is corrupt.
    pub fn end_row(&mut self, text: impl FnOnce() -> String) {
        self.bytes += VALUE_BYTES * self.builders.len() as u64;
        for (builder, value) in self.builders.iter_mut().zip(&mut self.values) {
            match (builder, std::mem::replace(value, Value::Null)) {
                (Builder::Text(builder), Value::Text(text)) => {
                    self.bytes += text.len() as u64;
                    builder.append_option(Some(text.as_str()));
                }
                (Builder::Number(builder), Value::Number(number)) => builder.append_option(Some(number)),
                (Builder::Instant(builder), Value::Instant(micros)) => builder.append_option(Some(micros)),
                (Builder::Text(builder), _) => builder.append_null(),
                (Builder::Number(builder), _) => builder.append_null(),
                (Builder::Instant(builder), _) => builder.append_null(),
            }
        }
        if std::mem::take(&mut self.is_corrupt) {
            let text = text();
            self.bytes += CELL_BYTES + text.len() as u64;
            self.corrupt.push((self.height, text));
        }
        self.height += 1;
    }

    pub fn finish(self) -> PolarsResult<Finished> {
        let height = self.height as usize;
        let columns = self.builders.into_iter().map(|builder| match builder {
            Builder::Text(builder) => builder.finish().into_column(),
            Builder::Number(builder) => builder.finish().into_column(),
            Builder::Instant(builder) => {
                builder.finish().into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()
            }
        });
        let frame = DataFrame::new(height, columns.collect())?;
        Ok(Finished { frame, unknown: self.unknown, corrupt: self.corrupt, non_finite: self.non_finite })
    }
}
