//! Returns and momentum: rates of change, RSI, MACD, Williams %R, stochastic.

use super::bars::Bars;
use super::columns::{Indicator as I, Values};
use super::window::{Ewm, change, lag, ln, max, mean, min, ratio};

/// Fills in returns, rates of change, RSI, MACD, Williams %R and the slow stochastic.
pub fn fill(bars: &Bars<'_>, values: &mut Values) {
    let close = bars.close;
    values[I::Return1d] = change(close, 1) * 100.0;
    values[I::Return5d] = change(close, 5) * 100.0;
    values[I::Return20d] = change(close, 20) * 100.0;
    values[I::LogReturn1d] = ln(ratio(lag(close, 0), lag(close, 1)));
    values[I::Roc6] = change(close, 6) * 100.0;
    values[I::Roc12] = change(close, 12) * 100.0;
    values[I::Roc20] = change(close, 20) * 100.0;

    (values[I::Rsi14], values[I::RsiEma6]) = rsi(close);

    let (macd, signal) = macd(close);
    values[I::Macd] = macd;
    values[I::MacdSignal] = signal;
    values[I::MacdHist] = macd - signal;
    values[I::MacdPct] = ratio(macd, lag(close, 0)) * 100.0;

    let (high, low) = (max(bars.high, 14), min(bars.low, 14));
    values[I::WilliamsR14] = ratio(-100.0 * (high - lag(close, 0)), high - low);
    let slow_k = |back: usize| (0..3).map(|row| fast_k(bars, back + row)).sum::<f64>() / 3.0;
    values[I::SlowK] = slow_k(0);
    values[I::SlowD] = mean(&[slow_k(2), slow_k(1), slow_k(0)], 3);
}

/// The relative strength index of the last row over 14 rows, and its 6-row exponential average.
fn rsi(close: &[f64]) -> (f64, f64) {
    let (mut gains, mut losses, mut smooth) = (Ewm::wilder(14), Ewm::wilder(14), Ewm::span(6));
    let (mut index, mut average) = (f64::NAN, f64::NAN);
    for pair in close.windows(2) {
        let step = pair[1] - pair[0];
        // `max` would take the 0 for a null step.
        let (gain, loss) = if step.is_nan() { (step, step) } else { (step.max(0.0), (-step).max(0.0)) };
        index = strength(gains.push(gain), losses.push(loss));
        average = smooth.push(index);
    }
    (index, average)
}

fn strength(gain: f64, loss: f64) -> f64 {
    match loss == 0.0 {
        true if gain > 0.0 => 100.0,
        true => 50.0,
        false => 100.0 - 100.0 / (1.0 + gain / loss),
    }
}

/// Moving average convergence divergence of the last row (12 and 26 rows), and its 9-row signal.
fn macd(close: &[f64]) -> (f64, f64) {
    let (mut fast, mut slow, mut signal) = (Ewm::span(12), Ewm::span(26), Ewm::span(9));
    let (mut difference, mut average) = (f64::NAN, f64::NAN);
    for price in close {
        difference = fast.push(*price) - slow.push(*price);
        average = signal.push(difference);
    }
    (difference, average)
}

/// The fast %K over 14 rows, `back` rows before the last.
fn fast_k(bars: &Bars<'_>, back: usize) -> f64 {
    let Some(end) = bars.len().checked_sub(back) else { return f64::NAN };
    let (high, low) = (max(&bars.high[..end], 14), min(&bars.low[..end], 14));
    ratio(100.0 * (lag(bars.close, back) - low), high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_without_losses_is_100_and_without_any_move_50() {
        for (gain, loss, expected) in [(1.0, 0.0, 100.0), (0.0, 0.0, 50.0), (0.0, 1.0, 0.0), (1.0, 1.0, 50.0)] {
            assert_eq!(strength(gain, loss), expected, "gain {gain}, loss {loss}");
        }
        assert!(strength(f64::NAN, f64::NAN).is_nan());
    }
}
