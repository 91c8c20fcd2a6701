//! All indicators of one row: the families in turn, then the mask of rows that come too early.

use super::bars::Bars;
use super::columns::{COLUMNS, Values};
use super::{average, market, momentum, trend, volatility, volume};

/// The indicators of the last row of a symbol's window, before range checks and rounding.
///
/// Recursive indicators start at the first row of the window, so the result depends on the window alone. A value
/// is null before the row its column begins on.
pub fn compute(bars: &Bars<'_>) -> Values {
    let mut values = Values::new();
    average::fill(bars, &mut values);
    momentum::fill(bars, &mut values);
    volatility::fill(bars, &mut values);
    volume::fill(bars, &mut values);
    trend::fill(bars, &mut values);
    market::fill(bars, &mut values);
    for column in &COLUMNS {
        if bars.len() < column.first_row {
            values[column.indicator] = f64::NAN;
        }
    }
    values
}
