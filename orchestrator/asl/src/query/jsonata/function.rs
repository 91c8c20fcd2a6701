//! The functions that the service adds to JSONata, and those it tells the time or takes away.
//!
//! Numbers that are not whole are cut towards zero. Source: Step Functions developer guide, "Transforming data with
//! JSONata", "Step Functions-provided JSONata functions".

use std::rc::Rc;

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;

use crate::query::intrinsic::digest;
use crate::query::{Data, Random};

/// Items `$range` may make: the service stops at one more.
const RANGE_ITEMS_MAX: i64 = 360_145;

type Outcome = Result<JValue, EvaluatorError>;

/// Makes the functions known to one evaluation.
pub(super) fn register(evaluator: &mut Evaluator, data: &Data<'_>) -> Result<(), EvaluatorError> {
    let now = data.now;
    evaluator.register_fn_override("now", move |_: &[JValue]| Ok(JValue::from(now.to_string())))?;
    evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::from(now.millis())))?;
    evaluator.register_fn_override("eval", |_: &[JValue]| -> Outcome {
        Err(EvaluatorError::TypeError("T1006: Attempted to invoke a non-function".to_owned()))
    })?;
    // The engine keeps functions for as long as it likes, so they get a source of their own that follows the turn's.
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(&data.random.bytes16());
    seed[16..].copy_from_slice(&data.random.bytes16());
    let random = Rc::new(Random::new(seed));
    let source = Rc::clone(&random);
    evaluator.register_fn_override("random", move |args: &[JValue]| self::random(args, &source))?;
    let source = Rc::clone(&random);
    evaluator.register_fn_override("shuffle", move |args: &[JValue]| shuffle(args, &source))?;
    evaluator.register_fn_override("uuid", move |_: &[JValue]| Ok(JValue::from(random.uuid())))?;
    evaluator.register_fn_override("partition", partition)?;
    evaluator.register_fn_override("range", range)?;
    evaluator.register_fn_override("hash", hash)?;
    evaluator.register_fn_override("parse", parse)
}

/// The argument number `at`, undefined if there are fewer.
fn argument(args: &[JValue], at: usize) -> &JValue {
    args.get(at).unwrap_or(&JValue::Undefined)
}

/// A number argument; `None` for undefined.
fn integer(function: &str, args: &[JValue], at: usize) -> Result<Option<i64>, EvaluatorError> {
    match argument(args, at) {
        JValue::Undefined => Ok(None),
        JValue::Number(number) => Ok(Some(number.trunc() as i64)),
        _ => Err(mismatch(function, at)),
    }
}

fn mismatch(function: &str, at: usize) -> EvaluatorError {
    EvaluatorError::TypeError(format!(
        "T0410: Argument {} of function \"{function}\" does not match function signature",
        at + 1
    ))
}

/// `$partition(array, size)`: undefined for an empty array and a size below one.
fn partition(args: &[JValue]) -> Outcome {
    let items = match argument(args, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.to_vec(),
        single => vec![single.clone()],
    };
    let size = integer("partition", args, 1)?.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
    match size {
        Some(size) if !items.is_empty() => {
            Ok(JValue::array(items.chunks(size).map(|chunk| JValue::array(chunk.to_vec())).collect()))
        }
        _ => Ok(JValue::Undefined),
    }
}

/// `$range(first, last, step)`: a range of one number is that number (recorded); undefined if the step leads away.
fn range(args: &[JValue]) -> Outcome {
    let [first, last, step] = [integer("range", args, 0)?, integer("range", args, 1)?, integer("range", args, 2)?];
    let (Some(first), Some(last), Some(step)) = (first, last, step) else { return Ok(JValue::Undefined) };
    let leads_away = if step > 0 { last < first } else { last > first };
    if step == 0 || leads_away {
        return Ok(JValue::Undefined);
    }
    let too_long = || EvaluatorError::EvaluationError("D2014: the range is too long".to_owned());
    let steps = last.checked_sub(first).and_then(|span| span.checked_div(step)).ok_or_else(too_long)?;
    if steps >= RANGE_ITEMS_MAX {
        return Err(too_long());
    }
    let mut items: Vec<JValue> = (0..=steps).map(|at| JValue::from(first + at * step)).collect();
    match items.len() {
        1 => Ok(items.remove(0)),
        _ => Ok(JValue::array(items)),
    }
}

/// `$hash(text, algorithm)`: undefined without one of the two.
fn hash(args: &[JValue]) -> Outcome {
    match (argument(args, 0), argument(args, 1)) {
        (JValue::Undefined, _) | (_, JValue::Undefined) => Ok(JValue::Undefined),
        (JValue::String(text), JValue::String(algorithm)) => match digest(text, algorithm) {
            Some(digest) => Ok(JValue::from(digest)),
            None => Err(EvaluatorError::EvaluationError(format!(
                "Unsupported hash algorithm '{algorithm}', expected one of MD5, SHA-1, SHA-256, SHA-384, SHA-512"
            ))),
        },
        (JValue::String(_), _) => Err(mismatch("hash", 1)),
        _ => Err(mismatch("hash", 0)),
    }
}

/// `$random([seed])`: the same seed gives the same number.
fn random(args: &[JValue], source: &Random) -> Outcome {
    let fraction = match integer("random", args, 0)? {
        Some(seed) => Random::seeded(seed.cast_unsigned()).fraction(),
        None => source.fraction(),
    };
    Ok(JValue::Number(fraction))
}

/// `$shuffle(array)` with the turn's randomness instead of the engine's own.
fn shuffle(args: &[JValue], source: &Random) -> Outcome {
    let mut items = match argument(args, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.to_vec(),
        single => vec![single.clone()],
    };
    for last in (1..items.len()).rev() {
        let other = (source.fraction() * (last + 1) as f64) as usize;
        items.swap(last, other.min(last));
    }
    Ok(JValue::array(items))
}

/// `$parse(text)`: what `$eval` is used for elsewhere.
fn parse(args: &[JValue]) -> Outcome {
    match argument(args, 0) {
        JValue::Undefined => Ok(JValue::Undefined),
        JValue::String(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => Ok(JValue::from(value)),
            Err(error) => Err(EvaluatorError::EvaluationError(format!("The argument of $parse is not JSON: {error}"))),
        },
        _ => Err(mismatch("parse", 0)),
    }
}
