//! Volatility: realised, Parkinson, Garman-Klass, average true range.

use std::f64::consts::LN_2;

use super::bars::Bars;
use super::columns::{Indicator as I, Values};
use super::window::{Ewm, lag, ln, log_changes, mean, ratio, sample_sd, tail};

/// Trading days of a year.
const YEAR_ROWS: f64 = 252.0;

/// Fills in the volatilities and the average true range.
pub fn fill(bars: &Bars<'_>, values: &mut Values) {
    let returns = log_changes(tail(bars.close, 61));
    values[I::RealizedVol10d] = sample_sd(&returns, 10) * 100.0;
    let monthly = sample_sd(&returns, 20) * 100.0;
    values[I::RealizedVol20d] = monthly;
    values[I::RealizedVol60d] = sample_sd(&returns, 60) * 100.0;
    values[I::RealizedVol20dAnn] = monthly * YEAR_ROWS.sqrt();

    let rows = bars.len().saturating_sub(20)..bars.len();
    let ranges: Vec<f64> = rows.clone().map(|at| ln(ratio(bars.high[at], bars.low[at])).powi(2)).collect();
    values[I::ParkinsonVol20] = (mean(&ranges, 20) / (4.0 * LN_2)).sqrt() * YEAR_ROWS.sqrt() * 100.0;

    let bodies = rows.map(|at| ln(ratio(bars.close[at], bars.open[at])).powi(2));
    let terms: Vec<f64> =
        ranges.iter().zip(bodies).map(|(range, body)| 0.5 * range - (2.0 * LN_2 - 1.0) * body).collect();
    // The root of a negative mean is NaN, which is the null it should be.
    values[I::GkVol20] = (mean(&terms, 20) * YEAR_ROWS).sqrt() * 100.0;

    let mut average = Ewm::wilder(14);
    let atr = (0..bars.len()).map(|at| average.push(bars.true_range(at))).last().unwrap_or(f64::NAN);
    values[I::Atr14] = atr;
    values[I::Atrp14] = ratio(atr, lag(bars.close, 0)) * 100.0;
}
