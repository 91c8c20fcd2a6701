//! The primitives the indicators are made of.
//!
//! A series is a slice of `f64` in date order in which **NaN is null**, so that arithmetic carries nulls by
//! itself; results that are not finite are turned into null before they are stored. Every window function looks
//! at the *last* `n` values of the slice it is given and is null unless all `n` exist: the value some rows
//! earlier is the same function on a shorter slice. Only the rows of one day are published, so nothing is
//! computed for the others unless a recursion needs it.

/// The last `n` values, if there are so many and none is null.
fn last(values: &[f64], n: usize) -> Option<&[f64]> {
    let window = &values[values.len().checked_sub(n)?..];
    (n > 0 && !window.iter().any(|value| value.is_nan())).then_some(window)
}

/// The sum of the last `n` values.
pub fn sum(values: &[f64], n: usize) -> f64 {
    last(values, n).map_or(f64::NAN, |window| window.iter().sum())
}

/// The mean of the last `n` values.
pub fn mean(values: &[f64], n: usize) -> f64 {
    sum(values, n) / n as f64
}

/// The greatest of the last `n` values.
pub fn max(values: &[f64], n: usize) -> f64 {
    last(values, n).map_or(f64::NAN, |window| window.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// The least of the last `n` values.
pub fn min(values: &[f64], n: usize) -> f64 {
    last(values, n).map_or(f64::NAN, |window| window.iter().copied().fold(f64::INFINITY, f64::min))
}

/// The sum of squared distances of the last `n` values from their mean.
///
/// Two passes: the one-pass form loses all digits when the deviation is small beside the mean.
fn squares(values: &[f64], n: usize) -> f64 {
    let center = mean(values, n);
    last(values, n).map_or(f64::NAN, |window| window.iter().map(|value| (value - center).powi(2)).sum())
}

/// The population standard deviation of the last `n` values.
pub fn population_sd(values: &[f64], n: usize) -> f64 {
    (squares(values, n) / n as f64).sqrt()
}

/// The sample standard deviation of the last `n` values.
pub fn sample_sd(values: &[f64], n: usize) -> f64 {
    ratio(squares(values, n), n as f64 - 1.0).sqrt()
}

/// `numerator / denominator`; null if either is null or the denominator is 0.
pub fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { f64::NAN } else { numerator / denominator }
}

/// The value `rows` before the last; null if there is none.
pub fn lag(values: &[f64], rows: usize) -> f64 {
    match values.len().checked_sub(rows + 1) {
        Some(at) => values[at],
        None => f64::NAN,
    }
}

/// The change of the last value against `rows` earlier, as a fraction.
pub fn change(values: &[f64], rows: usize) -> f64 {
    ratio(lag(values, 0), lag(values, rows)) - 1.0
}

/// The natural logarithm; null for what has none (0 and below).
pub fn ln(value: f64) -> f64 {
    if value > 0.0 { value.ln() } else { f64::NAN }
}

/// The one-row changes of a series as fractions; the first is null.
pub fn changes(values: &[f64]) -> Vec<f64> {
    pairs(values, |previous, value| ratio(value, previous) - 1.0)
}

/// The one-row logarithmic changes of a series; the first is null.
pub fn log_changes(values: &[f64]) -> Vec<f64> {
    pairs(values, |previous, value| ln(ratio(value, previous)))
}

fn pairs(values: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut previous = f64::NAN;
    values.iter().map(|value| f(std::mem::replace(&mut previous, *value), *value)).collect()
}

/// The last `n` rows, or all if there are fewer.
pub fn tail(values: &[f64], n: usize) -> &[f64] {
    &values[values.len().saturating_sub(n)..]
}

/// The exponential average `a·x + (1 − a)·previous`, begun by the first value; nulls are skipped.
#[derive(Debug, Clone, Copy)]
pub struct Ewm {
    weight: f64,
    average: f64,
}

impl Ewm {
    /// An average in which a new value weighs `weight`.
    pub fn weighing(weight: f64) -> Self {
        Self { weight, average: f64::NAN }
    }

    /// An average over a span of `n` rows: weight `2 / (n + 1)`.
    pub fn span(n: u32) -> Self {
        Self::weighing(2.0 / (f64::from(n) + 1.0))
    }

    /// Wilder's average over `n` rows: weight `1 / n`.
    pub fn wilder(n: u32) -> Self {
        Self::weighing(1.0 / f64::from(n))
    }

    /// Takes the next value and returns the average.
    pub fn push(&mut self, value: f64) -> f64 {
        if value.is_finite() {
            self.average =
                if self.average.is_nan() { value } else { self.weight * value + (1.0 - self.weight) * self.average };
        }
        self.average
    }

    /// The average after all of `values`.
    pub fn of(mut self, values: &[f64]) -> f64 {
        for value in values {
            self.push(*value);
        }
        self.average
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NULL: f64 = f64::NAN;

    #[track_caller]
    fn check(actual: f64, expected: f64) {
        assert!(
            actual == expected || (actual - expected).abs() < 1e-12 || (actual.is_nan() && expected.is_nan()),
            "{actual} is not {expected}"
        );
    }

    #[test]
    fn a_window_is_null_unless_all_its_values_exist() {
        type Function = fn(&[f64], usize) -> f64;
        let cases: [(Function, f64); 6] = [
            (sum, 12.0),
            (mean, 4.0),
            (max, 6.0),
            (min, 2.0),
            (population_sd, (8.0f64 / 3.0).sqrt()),
            (sample_sd, 2.0),
        ];
        for (function, expected) in cases {
            check(function(&[9.0, 2.0, 4.0, 6.0], 3), expected);
            check(function(&[NULL, 2.0, 4.0, 6.0], 3), expected);
            check(function(&[2.0, NULL, 6.0], 3), NULL);
            check(function(&[2.0, 4.0], 3), NULL);
            check(function(&[], 3), NULL);
        }
    }

    #[test]
    fn dividing_by_zero_or_null_is_null() {
        for (numerator, denominator, expected) in
            [(1.0, 0.0, NULL), (NULL, 2.0, NULL), (1.0, NULL, NULL), (1.0, 2.0, 0.5)]
        {
            check(ratio(numerator, denominator), expected);
        }
    }

    #[test]
    fn the_exponential_average_begins_with_the_first_value_and_skips_nulls() {
        check(Ewm::weighing(0.5).of(&[NULL, 4.0, NULL, 8.0]), 6.0);
        check(Ewm::span(3).of(&[1.0, 2.0, 3.0]), 2.25);
        check(Ewm::wilder(4).of(&[4.0, 8.0]), 5.0);
        check(Ewm::wilder(4).of(&[NULL]), NULL);
    }

    #[test]
    fn a_change_needs_the_earlier_row() {
        check(change(&[2.0, 3.0], 1), 0.5);
        check(change(&[3.0], 1), NULL);
        check(change(&[0.0, 3.0], 1), NULL);
        check(log_changes(&[1.0, -1.0])[1], NULL);
    }
}
