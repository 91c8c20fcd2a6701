//! Averages and the bands around them: moving averages, envelope, Bollinger bands, CCI.

use super::bars::Bars;
use super::columns::{Indicator as I, Values};
use super::window::{Ewm, lag, mean, population_sd, ratio};

/// Half the width of the envelope, as a fraction of its middle.
const ENVELOPE: f64 = 0.03;
/// Half the width of the Bollinger bands, in standard deviations.
const BOLLINGER_DEVIATIONS: f64 = 2.0;
/// Lambert's constant: about three quarters of all values of the CCI fall between −100 and 100.
const CCI_SCALE: f64 = 0.015;

/// Fills in moving averages, envelope, Bollinger bands and the commodity channel index.
pub fn fill(bars: &Bars<'_>, values: &mut Values) {
    let close = bars.close;
    let sma_20 = mean(close, 20);
    values[I::Sma20] = sma_20;
    values[I::Sma60] = mean(close, 60);
    values[I::Sma120] = mean(close, 120);
    values[I::Ema20] = Ewm::span(20).of(close);
    values[I::Ema60] = Ewm::span(60).of(close);

    values[I::EnvelopeMid] = sma_20;
    values[I::EnvelopeUpper] = sma_20 * (1.0 + ENVELOPE);
    values[I::EnvelopeLower] = sma_20 * (1.0 - ENVELOPE);

    let half = BOLLINGER_DEVIATIONS * population_sd(close, 20);
    let (upper, lower) = (sma_20 + half, sma_20 - half);
    values[I::BollingerMiddle] = sma_20;
    values[I::BollingerUpper] = upper;
    values[I::BollingerLower] = lower;
    values[I::BollingerWidth] = ratio(upper - lower, sma_20) * 100.0;
    values[I::BollingerPercentB] = ratio(lag(close, 0) - lower, upper - lower);

    (values[I::Cci20], values[I::CciSignal10]) = cci(&bars.typical_prices());
}

/// The commodity channel index of the last row over 20 rows, and its 10-row exponential average.
fn cci(typical: &[f64]) -> (f64, f64) {
    let (mut index, mut signal) = (f64::NAN, Ewm::span(10));
    let mut average = f64::NAN;
    for end in 20..=typical.len() {
        let center = mean(&typical[..end], 20);
        let deviation = typical[end - 20..end].iter().map(|price| (price - center).abs()).sum::<f64>() / 20.0;
        index = ratio(typical[end - 1] - center, CCI_SCALE * deviation);
        average = signal.push(index);
    }
    (index, average)
}
