//! Numbers that are integers or floats, as they were written.

use std::cmp::Ordering;

use serde_json::Number;

/// The order by value: `1` and `1.0` are equal, large integers are not squeezed through a float.
pub(crate) fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// The integer that a number is written as.
pub(crate) fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// The nearest integer, halves upwards (-1.5 becomes -1), as Java's `Math.round`.
///
/// `None` outside of 64 bits.
pub(crate) fn rounded(number: &Number) -> Option<i64> {
    if let Some(integer) = number.as_i64() {
        return Some(integer);
    }
    let rounded = (number.as_f64()? + 0.5).floor();
    // 2^63 itself is not an i64.
    (rounded >= -(2_f64.powi(63)) && rounded < 2_f64.powi(63)).then_some(rounded as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str::<Value>(text).unwrap().as_number().unwrap().clone()
    }

    #[test]
    fn order_is_by_value() {
        for (left, right, expected) in [
            ("1", "1.0", Ordering::Equal),
            ("0", "0.0", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("18446744073709551615", "-1", Ordering::Greater),
            ("1.5", "2", Ordering::Less),
        ] {
            assert_eq!(compare(&number(left), &number(right)), Some(expected), "{left} {right}");
        }
    }

    #[test]
    fn halves_round_upwards() {
        for (text, expected) in [
            ("1.49", Some(1)),
            ("1.5", Some(2)),
            ("-1.5", Some(-1)),
            ("-1.51", Some(-2)),
            ("-2.5", Some(-2)),
            ("7", Some(7)),
            ("1e300", None),
        ] {
            assert_eq!(rounded(&number(text)), expected, "{text}");
        }
    }
}
