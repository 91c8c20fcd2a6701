//! `States.Array…`.

use serde_json::Value;

use super::{Outcome, array, integer};

/// Items `States.ArrayRange` may make. Source: Step Functions developer guide, "Intrinsics for arrays".
const RANGE_ITEMS_MAX: i128 = 1_000;

/// `States.ArrayPartition`: chunks of a size, the last one shorter.
pub(super) fn partition(arguments: &[Value]) -> Outcome {
    let items = array(&arguments[0])?;
    let size = usize::try_from(integer(&arguments[1])?).ok().filter(|size| *size > 0);
    let size = size.ok_or("the chunk size must be a positive integer")?;
    Ok(Value::Array(items.chunks(size).map(|chunk| Value::Array(chunk.to_vec())).collect()))
}

/// `States.ArrayContains`: by deep equality, in which 1 and 1.0 differ.
pub(super) fn contains(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(array(&arguments[0])?.contains(&arguments[1])))
}

/// `States.ArrayRange`: from the first to the last number, both included.
pub(super) fn range(arguments: &[Value]) -> Outcome {
    let [first, last, step] = [integer(&arguments[0])?, integer(&arguments[1])?, integer(&arguments[2])?];
    if step == 0 {
        return Err("the step must not be zero");
    }
    let (first, last, step) = (i128::from(first), i128::from(last), i128::from(step));
    let steps = (last - first) / step;
    let backwards = (last - first).signum() == -step.signum();
    if backwards {
        return Ok(Value::Array(Vec::new()));
    }
    if steps >= RANGE_ITEMS_MAX {
        return Err("the range must not have more than 1000 items");
    }
    let items = (0..=steps).map(|at| i64::try_from(first + at * step).map(Value::from));
    items.collect::<Result<_, _>>().map(Value::Array).map_err(|_| "the number is out of range")
}

/// `States.ArrayGetItem`: the first item is number 0.
pub(super) fn get_item(arguments: &[Value]) -> Outcome {
    let items = array(&arguments[0])?;
    let index = usize::try_from(integer(&arguments[1])?).map_err(|_| "the index must not be negative")?;
    items.get(index).cloned().ok_or("the index is out of bounds")
}

/// `States.ArrayLength`.
pub(super) fn length(arguments: &[Value]) -> Outcome {
    Ok(Value::from(array(&arguments[0])?.len()))
}

/// `States.ArrayUnique`: in the order of first occurrence.
pub(super) fn unique(arguments: &[Value]) -> Outcome {
    // The text puts equal values together fast; objects that differ only in the order of keys need the comparison.
    let mut seen = std::collections::HashSet::new();
    let mut unique: Vec<Value> = Vec::new();
    for item in array(&arguments[0])? {
        let is_new = seen.insert(item.to_string());
        let may_differ_in_order = item.is_object() || item.is_array();
        if is_new && !(may_differ_in_order && unique.contains(item)) {
            unique.push(item.clone());
        }
    }
    Ok(Value::Array(unique))
}
