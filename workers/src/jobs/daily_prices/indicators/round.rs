//! From computed numbers to stored ones: rounding half away from zero, and values too large for their type.

/// A value that its column's type cannot hold; stored as null and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// Doubles from here on have no fraction left to round.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// The unscaled integer of a decimal; `None` for null (anything that is not finite).
///
/// # Errors
/// If the rounded value has more than `precision` digits.
pub fn decimal(value: f64, precision: u32, scale: u32) -> Result<Option<i128>, Overflow> {
    if !value.is_finite() {
        return Ok(None);
    }
    let unscaled = (value * 10f64.powi(scale as i32)).round();
    if unscaled.abs() >= 10f64.powi(precision as i32) {
        return Err(Overflow);
    }
    Ok(Some(unscaled as i128))
}

/// A 32-bit float rounded to 6 decimals; `None` for null.
///
/// # Errors
/// If the value is beyond what a 32-bit float can hold.
pub fn float(value: f64) -> Result<Option<f32>, Overflow> {
    if !value.is_finite() {
        return Ok(None);
    }
    let shifted = value * 1e6;
    // Adding 0 turns −0 into 0.
    let rounded = if shifted.abs() < WHOLE { shifted.round() / 1e6 + 0.0 } else { value };
    let narrow = rounded as f32;
    if narrow.is_finite() { Ok(Some(narrow)) } else { Err(Overflow) }
}

/// A 64-bit integer, rounded; `None` for null.
///
/// # Errors
/// If the value is beyond what a 64-bit integer can hold.
pub fn integer(value: f64) -> Result<Option<i64>, Overflow> {
    if !value.is_finite() {
        return Ok(None);
    }
    let rounded = value.round();
    // 2^63 itself is a double, the greatest integer below it is not.
    if rounded >= i64::MAX as f64 || rounded < i64::MIN as f64 {
        return Err(Overflow);
    }
    Ok(Some(rounded as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_half_away_from_zero_and_overflow() {
        let cases = [
            (0.00005, 12, 4, Ok(Some(1))),
            (-0.00005, 12, 4, Ok(Some(-1))),
            (59.333_996, 12, 4, Ok(Some(593_340))),
            (f64::NAN, 12, 4, Ok(None)),
            (f64::INFINITY, 12, 4, Ok(None)),
            (9_999.999_94, 8, 4, Ok(Some(99_999_999))),
            (9_999.999_95, 8, 4, Err(Overflow)),
            (-10_000.0, 8, 4, Err(Overflow)),
            (123_456.0, 12, 4, Ok(Some(1_234_560_000))),
        ];
        for (value, precision, scale, expected) in cases {
            assert_eq!(decimal(value, precision, scale), expected, "{value} as dec({precision},{scale})");
        }
    }

    #[test]
    fn floats_keep_six_decimals() {
        let cases = [
            (33.337_866_716, Ok(Some(33.337_867))),
            (0.000_000_5, Ok(Some(0.000_001))),
            (-0.000_000_1, Ok(Some(0.0))),
            (1e300, Err(Overflow)),
            (1e20, Ok(Some(1e20))),
            (f64::NAN, Ok(None)),
        ];
        for (value, expected) in cases {
            assert_eq!(float(value), expected, "{value}");
        }
        assert!(float(-0.0).unwrap().unwrap().is_sign_positive());
    }

    #[test]
    fn integers_are_rounded_not_cut() {
        let cases = [
            (2.5, Ok(Some(3))),
            (-2.5, Ok(Some(-3))),
            (-132_585_100.0, Ok(Some(-132_585_100))),
            (1e19, Err(Overflow)),
            (f64::NAN, Ok(None)),
        ];
        for (value, expected) in cases {
            assert_eq!(integer(value), expected, "{value}");
        }
    }
}
