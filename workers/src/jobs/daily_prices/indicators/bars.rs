//! What the indicators are computed from: one symbol's prices in date order.

/// The window of one symbol: series of equal length, ascending by date, NaN for null.
#[derive(Debug, Clone, Copy)]
pub struct Bars<'a> {
    /// Opening prices.
    pub open: &'a [f64],
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
    /// Closing prices, adjusted where the table is.
    pub close: &'a [f64],
    /// Volumes.
    pub volume: &'a [f64],
    /// The volume-weighted average price of the last row, as delivered.
    pub vwap: f64,
    /// The benchmark's one-row returns as fractions; empty without a benchmark.
    pub market_return: &'a [f64],
}

impl Bars<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.close.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.close.is_empty()
    }

    /// The typical prices `(high + low + close) / 3`.
    pub fn typical_prices(&self) -> Vec<f64> {
        (0..self.len()).map(|at| (self.high[at] + self.low[at] + self.close[at]) / 3.0).collect()
    }

    /// The true range of a row: the greatest of `high − low` and the distances of both from the close before.
    /// Without that close (first row, or null) it is `high − low`.
    pub fn true_range(&self, at: usize) -> f64 {
        let (high, low) = (self.high[at], self.low[at]);
        let range = (high - low).abs();
        match at.checked_sub(1).map(|before| self.close[before]) {
            // `max` passes over a null, so the range itself is asked first.
            Some(before) if !range.is_nan() => range.max((high - before).abs()).max((low - before).abs()),
            _ => range,
        }
    }

    /// The money flow volume of a row: volume weighed by where the close lies between low and high, −1 to 1.
    pub fn money_flow_volume(&self, at: usize) -> f64 {
        let (high, low, close) = (self.high[at], self.low[at], self.close[at]);
        if high == low {
            return 0.0 * self.volume[at];
        }
        ((close - low) - (high - close)) / (high - low) * self.volume[at]
    }
}
