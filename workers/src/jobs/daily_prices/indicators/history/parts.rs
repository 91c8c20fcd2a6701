//! Price histories that are too large for the memory: taken apart into rows, and put together again by symbols.

use std::collections::HashMap;

use polars::error::PolarsResult;
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, Series};

use super::{History, MARKET, PRICES, Reference, Symbol, VWAP, changes};

/// What must be known of all rows before the first is computed, of histories that are taken apart.
#[derive(Debug, Default)]
pub struct WindowFacts {
    target_date: i32,
    has_target: bool,
    benchmark_symbol: Option<String>,
    market_columns: [bool; MARKET.len()],
    has_benchmark: bool,
    /// The benchmark's dates and closing prices.
    benchmark: (Vec<i32>, Vec<f64>),
    row_count: u64,
}

impl WindowFacts {
    /// Those of no rows yet.
    pub fn new(target_date: i32, benchmark_symbol: Option<&str>) -> WindowFacts {
        let benchmark_symbol = benchmark_symbol.map(str::to_owned);
        WindowFacts { target_date, benchmark_symbol, ..WindowFacts::default() }
    }

    /// Takes note of a history that comes after the ones before.
    pub fn note(&mut self, history: &History) {
        for (known, has_values) in self.market_columns.iter_mut().zip(history.market_columns()) {
            *known |= has_values;
        }
        self.has_target |= history.has_rows_on(self.target_date);
        self.row_count += history.row_count;
        self.has_benchmark |= self.benchmark_symbol.as_ref().is_some_and(|name| history.has_symbol(name));
        let benchmark = self.benchmark_symbol.as_ref().and_then(|name| history.index.get(name));
        if let Some(symbol) = benchmark.map(|at| &history.symbols[*at]) {
            self.benchmark.0.extend(&symbol.dates);
            self.benchmark.1.extend(&symbol.prices[3]);
        }
    }

    /// Number of rows.
    pub fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Whether any symbol has a row on the target day.
    pub fn has_target(&self) -> bool {
        self.has_target
    }

    /// Whether the benchmark symbol, if there is one, has any row.
    pub fn has_benchmark(&self) -> bool {
        self.benchmark_symbol.is_none() || self.has_benchmark
    }

    /// What stands for the market.
    pub fn reference(&self) -> Reference {
        let (dates, closes) = &self.benchmark;
        let returns: HashMap<i32, f64> = dates.iter().copied().zip(changes(closes)).collect();
        Reference::new(self.market_columns, returns)
    }
}

impl History {
    /// What the rows take in memory, about, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All rows by symbol, those of a symbol in their order, in frames of about so many bytes; the history is given up on the
    /// way.
    pub fn into_parts(self, part_bytes: u64) -> impl Iterator<Item = PolarsResult<DataFrame>> {
        let mut symbols = self.symbols;
        symbols.sort_by(|a, b| b.name.cmp(&a.name));
        std::iter::from_fn(move || {
            let (mut part, mut bytes) = (Vec::new(), 0);
            while let Some(symbol) = symbols.pop() {
                bytes += symbol.dates.len() as u64 * (super::ROW_BYTES + symbol.name.len() as u64);
                part.push(symbol);
                if bytes >= part_bytes {
                    break;
                }
            }
            (!part.is_empty()).then(|| frame(&part))
        })
    }

    /// The history of rows of [`History::into_parts`], which come by symbol.
    pub fn of_rows(rows: &DataFrame) -> PolarsResult<History> {
        let mut history = History { row_count: rows.height() as u64, ..History::default() };
        let dates = rows.column("date")?.i32()?;
        let series = |name: &str| -> PolarsResult<Option<Vec<f64>>> {
            let Ok(column) = rows.column(name) else { return Ok(None) };
            Ok(Some(column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect()))
        };
        let prices: Vec<Option<Vec<f64>>> = PRICES.into_iter().map(series).collect::<PolarsResult<_>>()?;
        let vwap: Vec<Option<Vec<f64>>> = VWAP.into_iter().map(series).collect::<PolarsResult<_>>()?;
        let market: Vec<Option<Vec<f64>>> =
            MARKET.into_iter().map(|(name, _)| series(name)).collect::<PolarsResult<_>>()?;
        let mut start = 0;
        let symbols = rows.column("symbol")?.str()?;
        for end in 1..=rows.height() {
            let Some(name) = symbols.get(start) else { continue };
            if end < rows.height() && symbols.get(end) == Some(name) {
                continue;
            }
            let cut = |column: &Option<Vec<f64>>| column.as_ref().map_or_else(Vec::new, |all| all[start..end].to_vec());
            let dates: Vec<i32> = (start..end).filter_map(|row| dates.get(row)).collect();
            history.duplicate_rows += dates.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
            history.index.insert(name.to_owned(), history.symbols.len());
            history.symbols.push(Symbol {
                name: name.to_owned(),
                dates,
                prices: std::array::from_fn(|at| cut(&prices[at])),
                vwap: std::array::from_fn(|at| cut(&vwap[at])),
                market: std::array::from_fn(|at| cut(&market[at])),
            });
            start = end;
        }
        Ok(history)
    }
}

/// The rows of symbols, one after the other; an optional column that no row has is left out.
fn frame(symbols: &[Symbol]) -> PolarsResult<DataFrame> {
    let rows: usize = symbols.iter().map(|symbol| symbol.dates.len()).sum();
    let names = symbols.iter().flat_map(|symbol| std::iter::repeat_n(symbol.name.as_str(), symbol.dates.len()));
    let mut columns: Vec<Column> = vec![
        Series::new("symbol".into(), names.collect::<Vec<_>>()).into_column(),
        Series::new(
            "date".into(),
            symbols.iter().flat_map(|symbol| symbol.dates.iter().copied()).collect::<Vec<i32>>(),
        )
        .into_column(),
    ];
    let mut add = |name: &'static str, is_optional: bool, of: &dyn Fn(&Symbol) -> &Vec<f64>| {
        if is_optional && symbols.iter().all(|symbol| of(symbol).is_empty()) {
            return;
        }
        let mut values = Vec::with_capacity(rows);
        for symbol in symbols {
            let start = values.len();
            values.extend_from_slice(of(symbol));
            values.resize(start + symbol.dates.len(), f64::NAN);
        }
        columns.push(Series::new(name.into(), values).into_column());
    };
    for (at, name) in PRICES.into_iter().enumerate() {
        add(name, false, &|symbol| &symbol.prices[at]);
    }
    for (at, name) in VWAP.into_iter().enumerate() {
        add(name, true, &|symbol| &symbol.vwap[at]);
    }
    for (at, (name, _)) in MARKET.into_iter().enumerate() {
        add(name, true, &|symbol| &symbol.market[at]);
    }
    DataFrame::new(rows, columns)
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::*;
    use polars::prelude::df;

    /// Symbols that come and go, a benchmark column that begins late, and a repeated row.
    #[test]
    fn parts_give_the_rows_of_the_whole() {
        let mut whole = History::default();
        let mut facts = WindowFacts::new(80, Some("S1"));
        let mut parts: Vec<DataFrame> = Vec::new();
        let mut current = History::default();
        for date in 1..=80 {
            let symbols: Vec<String> = (0..9)
                .filter(|n| (date + n) % 7 != 0)
                .chain((date % 40 == 0).then_some(3))
                .map(|n| format!("S{n}"))
                .collect();
            let prices = |step: f64| {
                (0..symbols.len()).map(|n| 50.0 + step + (date * (n as i32 + 3) % 11) as f64).collect::<Vec<_>>()
            };
            let mut frame =
                df!("symbol" => &symbols, "open" => prices(0.0), "high" => prices(2.0), "low" => prices(-2.0),
                "close" => prices(0.5), "volume" => prices(100.0))
                .unwrap();
            if date > 30 {
                frame.with_column(Column::new("spy_close".into(), prices(7.0))).unwrap();
                frame.with_column(Column::new("vwap_d".into(), prices(0.1))).unwrap();
            }
            assert_eq!(whole.add_part(date, &frame, "x").unwrap() + current.add_part(date, &frame, "x").unwrap(), 0);
            if date % 13 == 0 || date == 80 {
                let history = std::mem::take(&mut current);
                facts.note(&history);
                parts.extend(history.into_parts(500).map(Result::unwrap));
            }
        }
        // What the sorter does: by symbol, in the order of the parts.
        let mut together = parts.iter().map(|part| part.height()).collect::<Vec<_>>();
        assert!(together.len() > 7, "several parts of each history: {together:?}");
        together.clear();
        let mut sorter =
            crate::lake::frames::Sorter::new(crate::lake::frames::SortKey { text: "symbol", instant: None }, 1 << 20);
        parts.into_iter().for_each(|part| sorter.add(part).unwrap());
        let sorted = sorter.finish().unwrap();
        let again = History::of_rows(sorted.in_memory().unwrap()).unwrap();
        let target = Target { date: 80, lookback_rows: 60, benchmark_symbol: Some("S1") };
        assert_eq!((facts.row_count(), again.duplicate_rows), (whole.row_count, whole.duplicate_rows));
        assert!(facts.has_target() && facts.has_benchmark() && whole.duplicate_rows > 0);
        let shown = |rows: Vec<super::super::Row>| format!("{rows:?}");
        assert_eq!(shown(again.rows_beside(target, &facts.reference())), shown(whole.rows(target)));
    }
}
