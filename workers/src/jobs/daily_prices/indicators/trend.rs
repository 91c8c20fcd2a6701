//! Trend: Ichimoku's lines and the directional movement system.

use super::bars::Bars;
use super::columns::{Indicator as I, Values};
use super::window::{Ewm, max, min, ratio};

/// Rows by which the leading spans are shifted.
const SENKOU_SHIFT: usize = 26;

/// Fills in Ichimoku's lines, the directional indicators and their index.
///
/// The lagging span (`ichimoku_chikou`) stays null: it is the close of a later row.
pub fn fill(bars: &Bars<'_>, values: &mut Values) {
    values[I::IchimokuTenkan] = middle(bars, 9, 0);
    values[I::IchimokuKijun] = middle(bars, 26, 0);
    values[I::IchimokuSenkouA] = (middle(bars, 9, SENKOU_SHIFT) + middle(bars, 26, SENKOU_SHIFT)) / 2.0;
    values[I::IchimokuSenkouB] = middle(bars, 52, SENKOU_SHIFT);

    let direction = direction(bars);
    values[I::PlusDi14] = direction.plus;
    values[I::MinusDi14] = direction.minus;
    values[I::Adx14] = direction.index;
}

/// The middle between the highest high and the lowest low of `n` rows, `back` rows before the last.
fn middle(bars: &Bars<'_>, n: usize, back: usize) -> f64 {
    let Some(end) = bars.len().checked_sub(back) else { return f64::NAN };
    (max(&bars.high[..end], n) + min(&bars.low[..end], n)) / 2.0
}

struct Direction {
    plus: f64,
    minus: f64,
    index: f64,
}

/// Wilder's directional movement of the last row over 14 rows.
fn direction(bars: &Bars<'_>) -> Direction {
    let wilder = Ewm::wilder(14);
    let (mut plus_average, mut minus_average, mut range_average, mut index_average) = (wilder, wilder, wilder, wilder);
    let mut direction = Direction { plus: f64::NAN, minus: f64::NAN, index: f64::NAN };
    for at in 0..bars.len() {
        let range = range_average.push(bars.true_range(at));
        // The first row has no movement: the reference begins the averages with 0, not with the second row.
        let (up, down) = match at.checked_sub(1) {
            Some(before) => (bars.high[at] - bars.high[before], bars.low[before] - bars.low[at]),
            None => (0.0, 0.0),
        };
        let movement = |this: f64, other: f64| if this > other && this > 0.0 { this } else { 0.0 };
        direction.plus = 100.0 * ratio(plus_average.push(movement(up, down)), range);
        direction.minus = 100.0 * ratio(minus_average.push(movement(down, up)), range);
        let difference = (direction.plus - direction.minus).abs();
        direction.index = index_average.push(100.0 * ratio(difference, direction.plus + direction.minus));
    }
    direction
}
