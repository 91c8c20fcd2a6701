//! The price history the indicators are computed from: day after day in, one series per symbol out.

mod parts;

use std::collections::HashMap;

use polars::prelude::*;
use rayon::prelude::*;

use super::bars::Bars;
use super::compute::compute;
use super::frame::Row;
use super::quality;
use super::window::changes;
use crate::job::{Code, JobError};

pub use parts::WindowFacts;

/// Columns without which nothing can be computed, besides the symbol.
const PRICES: [&str; 5] = ["open", "high", "low", "close", "volume"];
/// Columns that may carry the day's volume-weighted average price, the preferred one first.
const VWAP: [&str; 2] = ["vwap", "vwap_d"];
/// Columns that may carry the benchmark, the preferred one first.
const MARKET: [(&str, Market); 7] = [
    ("market_return", Market::Fraction),
    ("benchmark_return", Market::Fraction),
    ("market_return_1d", Market::Percent),
    ("market_close", Market::Close),
    ("benchmark_close", Market::Close),
    ("sp500_close", Market::Close),
    ("spy_close", Market::Close),
];

/// What a row takes without the columns that may be absent.
const ROW_BYTES: u64 = 4 + 8 * PRICES.len() as u64;
/// What a symbol takes beside its rows.
const SYMBOL_BYTES: u64 = 512;

/// What a benchmark column says.
#[derive(Debug, Clone, Copy)]
enum Market {
    /// Returns as fractions.
    Fraction,
    /// Returns in percent.
    Percent,
    /// Prices, whose returns count.
    Close,
}

/// One symbol's rows by date; NaN is null. The optional series may end early: what is missing at the end is null.
#[derive(Debug, Default)]
struct Symbol {
    name: String,
    dates: Vec<i32>,
    prices: [Vec<f64>; PRICES.len()],
    vwap: [Vec<f64>; VWAP.len()],
    market: [Vec<f64>; MARKET.len()],
}

/// All symbols' rows, in the order in which the days are added.
#[derive(Debug, Default)]
pub struct History {
    symbols: Vec<Symbol>,
    index: HashMap<String, usize>,
    /// What the rows take in memory, about.
    bytes: u64,
    /// Rows added.
    pub row_count: u64,
    /// Rows that repeat an earlier row's symbol and date.
    pub duplicate_rows: u64,
}

/// What stands for the market: a column of the rows, else the returns of a symbol by date.
#[derive(Debug)]
pub struct Reference {
    column: Option<usize>,
    returns: HashMap<i32, f64>,
}

impl Reference {
    fn new(has_values: [bool; MARKET.len()], returns: HashMap<i32, f64>) -> Reference {
        match has_values.iter().position(|has_values| *has_values) {
            None => Reference { column: None, returns },
            column => Reference { column, returns: HashMap::new() },
        }
    }
}

/// How the rows of a day are computed.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The day, in days since 1970-01-01; the last one added.
    pub date: i32,
    /// Rows of a symbol's window, the day's included.
    pub lookback_rows: usize,
    /// The symbol that stands for the market where no column does.
    pub benchmark_symbol: Option<&'a str>,
}

impl History {
    /// Adds a day; days come in ascending order. `uri` is where the rows are from, for errors.
    ///
    /// # Errors
    /// As [`History::add_part`]; `DQ_FAILED` (a row without symbol).
    pub fn add(&mut self, date: i32, frame: &DataFrame, uri: &str) -> Result<(), JobError> {
        match self.add_part(date, frame, uri)? {
            0 => Ok(()),
            nameless => Err(without_symbol(nameless, uri)),
        }
    }

    /// Adds a day, or some rows of it; days come in ascending order. Rows without a symbol are counted, and none is added
    /// with them. `uri` is where the rows are from, for errors.
    ///
    /// # Errors
    /// `MISSING_COLUMNS`, `SCHEMA_VALIDATION_FAILED` (a column of another type).
    pub fn add_part(&mut self, date: i32, frame: &DataFrame, uri: &str) -> Result<u64, JobError> {
        let missing: Vec<String> = std::iter::once("symbol")
            .chain(PRICES)
            .filter(|name| frame.column(name).is_err())
            .map(|name| format!("\"{name}\""))
            .collect();
        if !missing.is_empty() {
            let message = format!("[{}]; `{uri}` lacks them, write its prices again", missing.join(", "));
            return Err(JobError::new(Code::MissingColumns, message));
        }
        let symbols = frame.column("symbol")?;
        if !matches!(symbols.dtype(), DataType::String | DataType::Null) {
            return Err(wrong_type("symbol", symbols, "text", uri));
        }
        let symbols = symbols.cast(&DataType::String)?;
        let symbols = symbols.str()?;
        let nameless = symbols.iter().filter(|symbol| symbol.is_none_or(|symbol| symbol.trim().is_empty())).count();
        if nameless > 0 {
            return Ok(nameless as u64);
        }
        let prices: Vec<Vec<f64>> =
            PRICES.into_iter().map(|name| required(frame, name, uri)).collect::<Result<_, _>>()?;
        let vwap: Vec<(usize, Vec<f64>)> = optional(frame, VWAP.into_iter())?;
        let market: Vec<(usize, Vec<f64>)> = optional(frame, MARKET.into_iter().map(|(name, _)| name))?;
        self.row_count += frame.height() as u64;
        self.bytes += frame.height() as u64 * (ROW_BYTES + 8 * (vwap.len() + market.len()) as u64);
        for (row, name) in symbols.iter().flatten().enumerate() {
            let at = self.position(name);
            let symbol = &mut self.symbols[at];
            let rows = symbol.dates.len();
            self.duplicate_rows += u64::from(symbol.dates.last() == Some(&date));
            symbol.dates.push(date);
            for (series, values) in symbol.prices.iter_mut().zip(&prices) {
                series.push(values[row]);
            }
            for (column, values) in &vwap {
                place(&mut symbol.vwap[*column], rows, values[row]);
            }
            for (column, values) in &market {
                place(&mut symbol.market[*column], rows, values[row]);
            }
        }
        Ok(0)
    }

    fn position(&mut self, name: &str) -> usize {
        if let Some(at) = self.index.get(name) {
            return *at;
        }
        self.bytes += SYMBOL_BYTES + 2 * name.len() as u64;
        self.symbols.push(Symbol { name: name.to_owned(), ..Symbol::default() });
        self.index.insert(name.to_owned(), self.symbols.len() - 1);
        self.symbols.len() - 1
    }

    /// Whether any symbol has a row on `date`.
    pub fn has_rows_on(&self, date: i32) -> bool {
        self.symbols.iter().any(|symbol| symbol.dates.last() == Some(&date))
    }

    /// Whether `symbol` has any row.
    pub fn has_symbol(&self, symbol: &str) -> bool {
        self.index.contains_key(symbol)
    }

    /// What stands for the market.
    pub fn reference(&self, benchmark_symbol: Option<&str>) -> Reference {
        let returns = benchmark_symbol.map(|name| self.returns_of(name)).unwrap_or_default();
        Reference::new(self.market_columns(), returns)
    }

    /// Which of the columns that may carry the benchmark have a value.
    fn market_columns(&self) -> [bool; MARKET.len()] {
        std::array::from_fn(|column| {
            self.symbols.iter().any(|symbol| symbol.market[column].iter().any(|value| !value.is_nan()))
        })
    }

    /// The rows of the target day, by symbol; a symbol without a row on that day has none. A symbol that is there
    /// twice has two.
    pub fn rows(&self, target: Target<'_>) -> Vec<Row> {
        self.rows_beside(target, &self.reference(target.benchmark_symbol))
    }

    /// The same, where the market is not only in these rows.
    pub fn rows_beside(&self, target: Target<'_>, reference: &Reference) -> Vec<Row> {
        let Reference { column, returns: benchmark } = reference;
        let mut symbols: Vec<&Symbol> =
            self.symbols.iter().filter(|symbol| symbol.dates.last() == Some(&target.date)).collect();
        symbols.sort_by(|a, b| a.name.cmp(&b.name));
        symbols
            .par_iter()
            .flat_map_iter(|symbol| {
                let market = match column {
                    Some(column) => market_returns(&symbol.market[*column], MARKET[*column].1),
                    None if benchmark.is_empty() => Vec::new(),
                    None => symbol.dates.iter().map(|date| benchmark.get(date).copied().unwrap_or(f64::NAN)).collect(),
                };
                let first = symbol.dates.partition_point(|date| *date < target.date);
                (first..symbol.dates.len()).map(move |at| symbol.row(at, target.lookback_rows, &market))
            })
            .collect()
    }

    /// The one-row returns of a symbol by date.
    fn returns_of(&self, name: &str) -> HashMap<i32, f64> {
        let Some(at) = self.index.get(name) else { return HashMap::new() };
        let symbol = &self.symbols[*at];
        symbol.dates.iter().copied().zip(changes(&symbol.prices[3])).collect()
    }
}

impl Symbol {
    /// The output row of row `at`, from the window that ends with it. `market` has the benchmark's returns by row;
    /// it may be shorter.
    fn row(&self, at: usize, lookback_rows: usize, market: &[f64]) -> Row {
        let window = (at + 1).saturating_sub(lookback_rows)..at + 1;
        let [open, high, low, close, volume] = &self.prices;
        let vwap = [0, 1].map(|column| self.vwap[column].get(at).copied().unwrap_or(f64::NAN));
        let vwap = if vwap[0].is_nan() { vwap[1] } else { vwap[0] };
        let mut market = market.to_vec();
        if !market.is_empty() {
            market.resize(self.dates.len(), f64::NAN);
            market = market[window.clone()].to_vec();
        }
        let bars = Bars {
            open: &open[window.clone()],
            high: &high[window.clone()],
            low: &low[window.clone()],
            close: &close[window.clone()],
            volume: &volume[window.clone()],
            vwap,
            market_return: &market,
        };
        let mut values = compute(&bars);
        let verdict = quality::check(&mut values);
        Row { date: self.dates[at], symbol: self.name.clone(), window_rows: window.len(), values, verdict }
    }
}

fn market_returns(values: &[f64], market: Market) -> Vec<f64> {
    match market {
        Market::Fraction => values.to_vec(),
        Market::Percent => values.iter().map(|value| value / 100.0).collect(),
        Market::Close => changes(values),
    }
}

/// Puts a value at `row` of a series that may have skipped rows before it.
fn place(series: &mut Vec<f64>, row: usize, value: f64) {
    series.resize(row, f64::NAN);
    series.push(value);
}

/// A numeric column's values; null and what is not finite become NaN.
fn numbers(column: &Column) -> PolarsResult<Vec<f64>> {
    let cast = column.cast(&DataType::Float64)?;
    let values = cast.f64()?.iter();
    Ok(values.map(|value| value.filter(|value| value.is_finite()).unwrap_or(f64::NAN)).collect())
}

fn is_numeric(column: &Column) -> bool {
    // A column that is null in every row may have lost its type.
    column.dtype().is_primitive_numeric() || column.dtype().is_decimal() || column.null_count() == column.len()
}

fn required(frame: &DataFrame, name: &str, uri: &str) -> Result<Vec<f64>, JobError> {
    let column = frame.column(name)?;
    match is_numeric(column) {
        true => Ok(numbers(column)?),
        false => Err(wrong_type(name, column, "numbers", uri)),
    }
}

/// The numeric ones among columns that may be there, with their place in `names`.
fn optional(frame: &DataFrame, names: impl Iterator<Item = &'static str>) -> Result<Vec<(usize, Vec<f64>)>, JobError> {
    let mut found = Vec::new();
    for (at, name) in names.enumerate() {
        if let Some(column) = frame.column(name).ok().filter(|column| is_numeric(column)) {
            found.push((at, numbers(column)?));
        }
    }
    Ok(found)
}

/// The failure of a day that has rows without a symbol.
pub(super) fn without_symbol(rows: u64, uri: &str) -> JobError {
    JobError::new(Code::DqFailed, format!("null symbol present ({rows} records) in `{uri}`"))
}

fn wrong_type(name: &str, column: &Column, wanted: &str, uri: &str) -> JobError {
    let message = format!("column `{name}` of `{uri}` is {}, not {wanted}; write its prices again", column.dtype());
    JobError::new(Code::SchemaValidationFailed, message)
}

#[cfg(test)]
mod tests;
