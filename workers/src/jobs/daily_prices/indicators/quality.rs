//! Quality of computed indicators: range checks, and the score of a row.

use super::columns::{COLUMNS, Range, Values};

/// How far outside its range a value may lie before it is a violation: rounding of the arithmetic, no more.
const TOLERANCE: f64 = 1e-9;
/// Number of checks a row goes through; 38 of them.
pub const CHECKS: usize = checks();

const fn checks() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < COLUMNS.len() {
        if matches!(COLUMNS[at].range, Range::Between(..)) {
            count += 1;
        }
        at += 1;
    }
    count
}

/// What the checks of one row came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Positions (in [`COLUMNS`]) of the values that were out of range.
    pub violations: Vec<usize>,
}

impl Verdict {
    /// 1 if no value was out of range, else 0.
    pub fn is_validated(&self) -> i16 {
        i16::from(self.violations.is_empty())
    }

    /// The share of checks that held, in percent, rounded.
    pub fn quality_score(&self) -> i16 {
        ((1.0 - self.violations.len() as f64 / CHECKS as f64) * 100.0).round() as i16
    }
}

/// Nulls what is out of its range, draws what is out by rounding only to the bound, and makes every value that is
/// not finite null. A null is no violation.
pub fn check(values: &mut Values) -> Verdict {
    let mut violations = Vec::new();
    for (at, column) in COLUMNS.iter().enumerate() {
        let value = &mut values[column.indicator];
        if !value.is_finite() {
            *value = f64::NAN;
            continue;
        }
        let Range::Between(low, high) = column.range else { continue };
        if *value < low - TOLERANCE || *value > high + TOLERANCE {
            *value = f64::NAN;
            violations.push(at);
        } else {
            *value = value.clamp(low, high);
        }
    }
    Verdict { violations }
}

#[cfg(test)]
mod tests {
    use super::super::columns::Indicator as I;
    use super::*;

    #[test]
    fn out_of_range_becomes_null_and_counts() {
        let null = f64::NAN;
        let cases = [
            (I::Rsi14, 101.0, null, 1),
            (I::Rsi14, 100.0 + 1e-10, 100.0, 0),
            (I::Rsi14, -1e-10, 0.0, 0),
            (I::WilliamsR14, 0.5, null, 1),
            (I::BollingerLower, -3.0, null, 1),
            (I::Beta60, 3.1, null, 1),
            (I::CorrMkt60, -1.0, -1.0, 0),
            (I::BollingerPercentB, 1.7, 1.7, 0),
            (I::Macd, -50.0, -50.0, 0),
            (I::Return1d, f64::INFINITY, null, 0),
            (I::Sma20, null, null, 0),
        ];
        for (indicator, value, expected, violations) in cases {
            let mut values = Values::new();
            values[indicator] = value;
            let verdict = check(&mut values);
            let actual = values[indicator];
            assert!(actual == expected || (actual.is_nan() && expected.is_nan()), "{indicator:?} {value}: {actual}");
            assert_eq!(verdict.violations.len(), violations, "{indicator:?} {value}");
        }
    }

    #[test]
    fn the_score_is_the_share_of_38_checks() {
        assert_eq!(CHECKS, 38);
        for (violations, validated, score) in [(0, 1, 100), (1, 0, 97), (2, 0, 95), (19, 0, 50), (38, 0, 0)] {
            let verdict = Verdict { violations: (0..violations).collect() };
            assert_eq!((verdict.is_validated(), verdict.quality_score()), (validated, score));
        }
    }
}
