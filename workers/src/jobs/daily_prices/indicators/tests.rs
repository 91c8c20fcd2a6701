//! The indicators against a reference computed independently, in double precision, from real prices.

use std::collections::HashMap;

use super::bars::Bars;
use super::columns::{COLUMNS, Indicator, Kind, Values};
use super::compute::compute;
use super::reference::{Prices, prices, records};
use super::window::changes;

/// Greatest relative difference between ours and the reference (of values below 0.001: absolute, of that size).
/// Measured: 6e-14, at `cci_20`.
const TOLERANCE: f64 = 1e-12;
const LOOKBACK_ROWS: usize = 252;

/// Our values of `symbol` at `ds`, with the number of rows in its window.
fn ours(prices: &Prices, benchmark: &HashMap<String, f64>, ds: &str) -> (Values, usize) {
    let end = prices.dates.iter().position(|date| date == ds).unwrap() + 1;
    // The file leaves out 2008-10 to 2011-05, so a window must not reach over the gap.
    let start = end.saturating_sub(LOOKBACK_ROWS);
    let rows = start..end;
    let market: Vec<f64> =
        prices.dates[rows.clone()].iter().map(|date| benchmark.get(date).copied().unwrap_or(f64::NAN)).collect();
    let bars = Bars {
        open: &prices.open[rows.clone()],
        high: &prices.high[rows.clone()],
        low: &prices.low[rows.clone()],
        close: &prices.close[rows.clone()],
        volume: &prices.volume[rows.clone()],
        vwap: f64::NAN,
        market_return: &market,
    };
    (compute(&bars), bars.len())
}

fn benchmark() -> HashMap<String, f64> {
    let ibm = prices("IBM");
    ibm.dates.iter().cloned().zip(changes(&ibm.close)).collect()
}

#[test]
fn every_value_agrees_with_the_reference() {
    let benchmark = benchmark();
    let (mut widest, mut compared) = ((0.0, String::new()), 0);
    for mut reference in records() {
        let (symbol, ds) = (reference.remove("symbol").unwrap(), reference.remove("ds").unwrap());
        let (values, rows) = ours(&prices(&symbol), &benchmark, &ds);
        assert_eq!(reference.remove("rows_in_window").unwrap(), rows.to_string(), "{symbol} {ds}");
        for column in &COLUMNS {
            let what = format!("{} of {symbol} at {ds}", column.name);
            let value = values[column.indicator];
            let Some(expected) = reference.remove(column.name).filter(|text| !text.is_empty()) else {
                assert!(value.is_nan(), "{what} is {value}, the reference is null");
                continue;
            };
            let expected: f64 = expected.parse().unwrap();
            let difference = (value - expected).abs() / expected.abs().max(1e-3);
            assert!(difference <= TOLERANCE, "{what} is {value}, the reference {expected}");
            compared += 1;
            if difference > widest.0 {
                widest = (difference, what);
            }
        }
        assert!(reference.is_empty(), "not computed: {reference:?}");
    }
    assert!(compared > 500, "only {compared} values were compared");
    assert!(widest.0 < TOLERANCE, "{widest:?}");
}

#[test]
fn the_worked_figures_hold_after_rounding() {
    let (values, _) = ours(&prices("AAPL"), &benchmark(), "2013-03-01");
    let cases = [
        (Indicator::Sma20, "59.3340"),
        (Indicator::Rsi14, "33.3379"),
        (Indicator::Atr14, "1.5391"),
        (Indicator::Cci20, "-147.06"),
        (Indicator::Mfi14, "13.6649"),
        (Indicator::WilliamsR14, "-99.1084"),
    ];
    for (indicator, expected) in cases {
        let digits = expected.split_once('.').unwrap().1.len();
        assert_eq!(format!("{:.digits$}", values[indicator]), expected, "{indicator:?}");
    }
    assert_eq!(COLUMNS[Indicator::Sma20 as usize].kind, Kind::Decimal { precision: 12, scale: 4 });
}
