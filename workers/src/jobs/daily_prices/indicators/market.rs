//! The symbol against its benchmark: beta and correlation of daily returns.

use super::bars::Bars;
use super::columns::{Indicator as I, Values};
use super::window::{changes, ratio, tail};

/// Rows looked at.
const ROWS: usize = 60;
/// Fewest rows on which both returns exist.
const PAIRS_MIN: usize = 30;

/// Fills in beta and correlation; both stay null without a benchmark.
pub fn fill(bars: &Bars<'_>, values: &mut Values) {
    let returns = changes(tail(bars.close, ROWS + 1));
    let pairs: Vec<(f64, f64)> = tail(&returns, ROWS)
        .iter()
        .rev()
        .zip(bars.market_return.iter().rev())
        .filter(|(own, market)| own.is_finite() && market.is_finite())
        .map(|(own, market)| (*own, *market))
        .collect();
    if pairs.len() < PAIRS_MIN {
        return;
    }
    let count = pairs.len() as f64;
    let own_mean = pairs.iter().map(|(own, _)| own).sum::<f64>() / count;
    let market_mean = pairs.iter().map(|(_, market)| market).sum::<f64>() / count;
    let (mut covariance, mut own_variance, mut market_variance) = (0.0, 0.0, 0.0);
    for (own, market) in pairs {
        let (own, market) = (own - own_mean, market - market_mean);
        covariance += own * market;
        own_variance += own * own;
        market_variance += market * market;
    }
    // The divisors of the sample forms cancel out.
    values[I::Beta60] = ratio(covariance, market_variance);
    values[I::CorrMkt60] = ratio(covariance, (own_variance * market_variance).sqrt());
}
