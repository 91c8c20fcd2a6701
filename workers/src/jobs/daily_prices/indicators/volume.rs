//! Volume: on-balance volume, accumulation, money flow, relative volume.

use super::bars::Bars;
use super::columns::{Indicator as I, Values};
use super::window::{lag, mean, ratio, sum, tail};

/// Fills in the indicators of volume.
pub fn fill(bars: &Bars<'_>, values: &mut Values) {
    values[I::Obv] = on_balance(bars);
    let flows: Vec<f64> = (0..bars.len()).map(|at| bars.money_flow_volume(at)).collect();
    values[I::Cmf20] = ratio(sum(&flows, 20), sum(bars.volume, 20));
    values[I::Adi] = running_sum(&flows);
    values[I::Mfi14] = money_flow_index(bars);
    values[I::Rvol20] = ratio(lag(bars.volume, 0), mean(bars.volume, 20));
    values[I::VwapD] = bars.vwap;
}

/// The sum of all values so far; nulls are skipped, nothing but nulls is null.
fn running_sum(values: &[f64]) -> f64 {
    values.iter().filter(|value| !value.is_nan()).copied().reduce(|sum, value| sum + value).unwrap_or(f64::NAN)
}

/// The volume of rising rows less that of falling ones since the first row, whose own is 0.
fn on_balance(bars: &Bars<'_>) -> f64 {
    if bars.is_empty() {
        return f64::NAN;
    }
    let step = |at: usize| match bars.close[at].partial_cmp(&bars.close[at - 1]) {
        Some(std::cmp::Ordering::Greater) => bars.volume[at],
        Some(std::cmp::Ordering::Less) => -bars.volume[at],
        _ => 0.0,
    };
    (1..bars.len()).map(step).filter(|volume| !volume.is_nan()).sum()
}

/// The money flow index of the last row over 14 rows.
fn money_flow_index(bars: &Bars<'_>) -> f64 {
    let typical = bars.typical_prices();
    let (mut positive, mut negative) = (Vec::with_capacity(14), Vec::with_capacity(14));
    for (at, pair) in tail(&typical, 15).windows(2).enumerate() {
        let row = typical.len() - tail(&typical, 15).len() + at + 1;
        let flow = pair[1] * bars.volume[row];
        let step = pair[1] - pair[0];
        let unless_null = |value: f64| if step.is_nan() || flow.is_nan() { f64::NAN } else { value };
        positive.push(unless_null(if step > 0.0 { flow } else { 0.0 }));
        negative.push(unless_null(if step < 0.0 { flow } else { 0.0 }));
    }
    let (positive, negative) = (sum(&positive, 14), sum(&negative, 14));
    match negative == 0.0 {
        true if positive > 0.0 => 100.0,
        true => f64::NAN,
        false => 100.0 - 100.0 / (1.0 + positive / negative),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_flow_without_falls_is_100_and_without_moves_null() {
        let volume = [10.0; 15];
        let rising: Vec<f64> = (1..=15).map(f64::from).collect();
        let bars = |close| Bars {
            open: close,
            high: close,
            low: close,
            close,
            volume: &volume,
            vwap: f64::NAN,
            market_return: &[],
        };
        assert_eq!(money_flow_index(&bars(&rising)), 100.0);
        assert!(money_flow_index(&bars(&[5.0; 15])).is_nan());
        assert!(money_flow_index(&bars(&rising[..14])).is_nan(), "14 rows have 13 flows");
    }

    #[test]
    fn on_balance_volume_begins_at_0_and_skips_nulls() {
        let close = [1.0, 2.0, 2.0, 1.5, f64::NAN, 3.0];
        let volume = [100.0, 10.0, 20.0, 5.0, 7.0, 9.0];
        let bars = Bars {
            open: &close,
            high: &close,
            low: &close,
            close: &close,
            volume: &volume,
            vwap: f64::NAN,
            market_return: &[],
        };
        assert_eq!(on_balance(&bars), 5.0);
    }
}
