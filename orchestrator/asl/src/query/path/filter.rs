//! Whether an element passes a filter.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::ast::{Comparison, Filter, Operand};
use super::evaluate::{NotFound, evaluate_in_filter};
use crate::query::number;

/// Tests `current`. A path that leads nowhere is "undefined": equal to nothing, present in nothing.
pub(super) fn test(filter: &Filter, current: &Value, root: &Value, visits_left: &mut usize) -> Result<bool, NotFound> {
    match filter {
        Filter::Or(any) => {
            for filter in any {
                if test(filter, current, root, visits_left)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Filter::And(all) => {
            for filter in all {
                if !test(filter, current, root, visits_left)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Filter::Not(inner) => Ok(!test(inner, current, root, visits_left)?),
        Filter::Exists(path) => Ok(evaluate_in_filter(path, current, root, visits_left)?.is_some()),
        Filter::Compare(left, comparison, right) => {
            let left = operand(left, current, root, visits_left)?;
            let right = operand(right, current, root, visits_left)?;
            Ok(compare(left.as_deref(), *comparison, right.as_deref()))
        }
        Filter::Matches(left, pattern) => Ok(match operand(left, current, root, visits_left)?.as_deref() {
            Some(Value::String(text)) => pattern.is_match(text),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).any(|text| pattern.is_match(text)),
            _ => false,
        }),
    }
}

fn operand<'a>(
    operand: &'a Operand,
    current: &Value,
    root: &Value,
    visits_left: &mut usize,
) -> Result<Option<Cow<'a, Value>>, NotFound> {
    match operand {
        Operand::Literal(value) => Ok(Some(Cow::Borrowed(value))),
        Operand::Path(path) => Ok(evaluate_in_filter(path, current, root, visits_left)?.map(Cow::Owned)),
    }
}

fn compare(left: Option<&Value>, comparison: Comparison, right: Option<&Value>) -> bool {
    let equals = || matches!((left, right), (Some(left), Some(right)) if equal(left, right));
    let ordering = || left.zip(right).and_then(|(left, right)| order(left, right));
    let is_in = || matches!((left, right), (Some(left), Some(Value::Array(items))) if contains(items, left));
    match comparison {
        Comparison::Equal => equals(),
        Comparison::NotEqual => !equals(),
        Comparison::Less => ordering() == Some(Ordering::Less),
        Comparison::LessEqual => matches!(ordering(), Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => ordering() == Some(Ordering::Greater),
        Comparison::GreaterEqual => matches!(ordering(), Some(Ordering::Greater | Ordering::Equal)),
        Comparison::In => is_in(),
        Comparison::NotIn => !is_in(),
        Comparison::Contains => match (left, right) {
            (Some(Value::String(text)), Some(Value::String(part))) => text.contains(part.as_str()),
            (Some(Value::Array(items)), Some(item)) => contains(items, item),
            _ => false,
        },
        Comparison::Size => {
            let size = right.and_then(Value::as_u64);
            size.is_some() && left.and_then(length) == size
        }
        Comparison::Empty => {
            let empty = right.and_then(Value::as_bool);
            empty.is_some() && left.and_then(length).map(|length| length == 0) == empty
        }
        Comparison::SubsetOf => sets(left, right).is_some_and(|(a, b)| a.iter().all(|item| contains(b, item))),
        Comparison::AnyOf => sets(left, right).is_some_and(|(a, b)| a.iter().any(|item| contains(b, item))),
        Comparison::NoneOf => sets(left, right).is_some_and(|(a, b)| !a.iter().any(|item| contains(b, item))),
    }
}

fn sets<'a>(left: Option<&'a Value>, right: Option<&'a Value>) -> Option<(&'a Vec<Value>, &'a Vec<Value>)> {
    Some((left?.as_array()?, right?.as_array()?))
}

fn contains(items: &[Value], item: &Value) -> bool {
    items.iter().any(|candidate| equal(candidate, item))
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => number::compare(left, right) == Some(Ordering::Equal),
        _ => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => number::compare(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn length(value: &Value) -> Option<u64> {
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => return None,
    };
    Some(length as u64)
}
