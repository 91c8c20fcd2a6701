//! `States.MathRandom`, `States.MathAdd`.

use serde_json::Value;

use super::{Outcome, integer};
use crate::query::Random;

/// `States.MathRandom`: the start is included, the end is not; the same seed gives the same number.
pub(super) fn random(arguments: &[Value], random: &Random) -> Outcome {
    let (start, end) = (integer(&arguments[0])?, integer(&arguments[1])?);
    if start >= end {
        return Err("the start must be less than the end");
    }
    let fraction = match arguments.get(2) {
        Some(seed) => Random::seeded(integer(seed)?.cast_unsigned()).fraction(),
        None => random.fraction(),
    };
    // The span of 64-bit ends needs more than 64 bits; the fraction is below one, so the result is below the end.
    let span = i128::from(end) - i128::from(start);
    let offset = ((span as f64) * fraction) as i128;
    i64::try_from(i128::from(start) + offset.min(span - 1)).map(Value::from).map_err(|_| "the number is out of range")
}

/// `States.MathAdd`: both numbers are rounded first, halves upwards (recorded); all within 32 bits.
pub(super) fn add(arguments: &[Value]) -> Outcome {
    let narrow = |value: &Value| i32::try_from(integer(value)?).map_err(|_| "the number is out of range");
    let sum = narrow(&arguments[0])?.checked_add(narrow(&arguments[1])?);
    sum.map(Value::from).ok_or("the sum is out of range")
}
