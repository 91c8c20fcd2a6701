//! The price history the indicators are computed from: day after day in, one series per symbol out.

use std::collections::HashMap;

use polars::prelude::*;
use rayon::prelude::*;

use super::bars::Bars;
use super::compute::compute;
use super::frame::Row;
use super::quality;
use super::window::changes;
use crate::job::{Code, JobError};

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
    /// Rows added.
    pub row_count: u64,
    /// Rows that repeat an earlier row's symbol and date.
    pub duplicate_rows: u64,
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
    /// `MISSING_COLUMNS`, `SCHEMA_VALIDATION_FAILED` (a column of another type), `DQ_FAILED` (a row without symbol).
    pub fn add(&mut self, date: i32, frame: &DataFrame, uri: &str) -> Result<(), JobError> {
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
            return Err(JobError::new(Code::DqFailed, format!("null symbol present ({nameless} records) in `{uri}`")));
        }
        let prices: Vec<Vec<f64>> =
            PRICES.into_iter().map(|name| required(frame, name, uri)).collect::<Result<_, _>>()?;
        let vwap: Vec<(usize, Vec<f64>)> = optional(frame, VWAP.into_iter())?;
        let market: Vec<(usize, Vec<f64>)> = optional(frame, MARKET.into_iter().map(|(name, _)| name))?;
        self.row_count += frame.height() as u64;
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
        Ok(())
    }

    fn position(&mut self, name: &str) -> usize {
        if let Some(at) = self.index.get(name) {
            return *at;
        }
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

    /// The rows of the target day, by symbol; a symbol without a row on that day has none. A symbol that is there
    /// twice has two.
    pub fn rows(&self, target: Target<'_>) -> Vec<Row> {
        let column = (0..MARKET.len()).find(|column| {
            self.symbols.iter().any(|symbol| symbol.market[*column].iter().any(|value| !value.is_nan()))
        });
        let benchmark = match (column, target.benchmark_symbol) {
            (None, Some(name)) => self.returns_of(name),
            _ => HashMap::new(),
        };
        let mut symbols: Vec<&Symbol> =
            self.symbols.iter().filter(|symbol| symbol.dates.last() == Some(&target.date)).collect();
        symbols.sort_by(|a, b| a.name.cmp(&b.name));
        symbols
            .par_iter()
            .flat_map_iter(|symbol| {
                let market = match column {
                    Some(column) => market_returns(&symbol.market[column], MARKET[column].1),
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

fn wrong_type(name: &str, column: &Column, wanted: &str, uri: &str) -> JobError {
    let message = format!("column `{name}` of `{uri}` is {}, not {wanted}; write its prices again", column.dtype());
    JobError::new(Code::SchemaValidationFailed, message)
}

#[cfg(test)]
mod tests {
    use super::super::columns::Indicator;
    use super::*;

    fn day(symbols: &[&str], close: f64) -> DataFrame {
        let numbers = |value: f64| vec![value; symbols.len()];
        df!("symbol" => symbols, "open" => numbers(close), "high" => numbers(close), "low" => numbers(close),
            "close" => numbers(close), "volume" => numbers(100.0))
        .unwrap()
    }

    fn target(date: i32) -> Target<'static> {
        Target { date, lookback_rows: 252, benchmark_symbol: None }
    }

    #[test]
    fn faults_of_a_day_are_named() {
        let good = day(&["A", "B"], 1.0);
        let cases = [
            (good.drop_many(["close", "volume"]), Code::MissingColumns, r#"["close", "volume"]"#),
            (df!("symbol" => [Some("A"), None], "open" => [1.0, 1.0], "high" => [1.0, 1.0], "low" => [1.0, 1.0],
                 "close" => [1.0, 1.0], "volume" => [1.0, 1.0]).unwrap(), Code::DqFailed, "null symbol present (1 records)"),
            (df!("symbol" => ["A"], "open" => ["x"], "high" => [1.0], "low" => [1.0], "close" => [1.0], "volume" => [1.0])
                .unwrap(), Code::SchemaValidationFailed, "column `open` of `file:///day` is str"),
            (df!("symbol" => [1], "open" => [1.0], "high" => [1.0], "low" => [1.0], "close" => [1.0], "volume" => [1.0])
                .unwrap(), Code::SchemaValidationFailed, "column `symbol`"),
        ];
        for (frame, code, part) in cases {
            let error = History::default().add(1, &frame, "file:///day").unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn a_symbol_without_a_row_on_the_day_has_no_row_and_the_window_counts_rows() {
        let mut history = History::default();
        for (date, symbols) in [(1, vec!["B", "A"]), (2, vec!["B"]), (3, vec!["A", "C"])] {
            history.add(date, &day(&symbols, f64::from(date)), "x").unwrap();
        }
        let rows = history.rows(target(3));
        let seen: Vec<_> = rows.iter().map(|row| (row.symbol.as_str(), row.window_rows)).collect();
        assert_eq!(seen, [("A", 2), ("C", 1)]);
        assert_eq!(rows[0].values[Indicator::Return1d], 200.0, "the row before is that of day 1");
        assert!(!history.has_rows_on(4));
        let short = history.rows(Target { lookback_rows: 1, ..target(3) });
        assert_eq!(short[0].window_rows, 1);
        assert!(short[0].values[Indicator::Return1d].is_nan(), "the window ends before the day before");
    }

    #[test]
    fn a_repeated_row_is_counted_and_gives_two_rows() {
        let mut history = History::default();
        history.add(1, &day(&["A", "A"], 1.0), "x").unwrap();
        assert_eq!((history.duplicate_rows, history.rows(target(1)).len()), (1, 2));
    }

    #[test]
    fn the_benchmark_is_the_first_column_that_is_present_in_its_own_unit() {
        // 40 days of a symbol whose returns are twice the market's.
        let market = |date: i32| if date % 2 == 0 { 0.01 } else { -0.005 };
        type Given = fn(f64, f64) -> f64;
        let cases: [(&str, Given, f64); 4] = [
            ("market_return", |change, _| change, 2.0),
            ("market_return_1d", |change, _| change * 100.0, 2.0),
            ("spy_close", |_, level| level, 2.0),
            ("vix_close", |change, _| change, f64::NAN),
        ];
        for (name, given, beta) in cases {
            let (mut history, mut close, mut level) = (History::default(), 100.0, 50.0);
            for date in 1..=40 {
                close *= 1.0 + 2.0 * market(date);
                level *= 1.0 + market(date);
                let mut frame = day(&["A"], close);
                frame.with_column(Column::new(name.into(), [given(market(date), level)])).unwrap();
                frame.with_column(Column::new("sp500_close".into(), [None::<f64>])).unwrap();
                history.add(date, &frame, "x").unwrap();
            }
            let actual = history.rows(target(40))[0].values[Indicator::Beta60];
            assert!((actual - beta).abs() < 1e-9 || (actual.is_nan() && beta.is_nan()), "{name}: {actual}");
        }
    }

    #[test]
    fn the_day_s_average_price_is_taken_from_either_column() {
        for (name, expected) in [("vwap", 7.0), ("vwap_d", 7.0), ("vwapx", f64::NAN)] {
            let mut frame = day(&["A"], 1.0);
            frame.with_column(Column::new(name.into(), [7.0])).unwrap();
            let mut history = History::default();
            history.add(1, &day(&["A"], 1.0), "x").unwrap();
            history.add(2, &frame, "x").unwrap();
            let actual = history.rows(target(2))[0].values[Indicator::VwapD];
            assert!(actual == expected || (actual.is_nan() && expected.is_nan()), "{name}: {actual}");
        }
    }
}
