//! Path and value to what it selects, in the manner of Jayway's JsonPath, whose messages AWS passes on.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::ast::{FilterPath, Selector, canonical, fragment, is_definite};
use super::filter;
use crate::query::java_text;

/// Values one evaluation may look at; keeps `$..*..*..*` from running for hours. A payload of 256 KiB has far fewer.
const VISITS_MAX: usize = 2_000_000;

/// Why a path selects nothing, in Jayway's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotFound(pub(crate) String);

/// What the steps select in `root`: for a definite path the value, else the array of values.
pub(super) fn evaluate(selectors: &[Selector], root: &Value) -> Result<Value, NotFound> {
    let mut walk = Walk { selectors, root, found: Vec::new(), visits_left: VISITS_MAX };
    walk.step(0, Cow::Borrowed(root), true)?;
    if !is_definite(selectors) {
        return Ok(Value::Array(walk.found.into_iter().map(Cow::into_owned).collect()));
    }
    match walk.found.pop() {
        Some(value) => Ok(value.into_owned()),
        None => Err(NotFound(format!("No results for path: {}", canonical(selectors)))),
    }
}

/// What a path in a filter selects; `None` if it leads nowhere.
pub(super) fn evaluate_in_filter(
    path: &FilterPath,
    current: &Value,
    root: &Value,
    visits_left: &mut usize,
) -> Result<Option<Value>, NotFound> {
    let mut walk = Walk { selectors: &path.selectors, root, found: Vec::new(), visits_left: *visits_left };
    let start = if path.relative { current } else { root };
    let outcome = walk.step(0, Cow::Borrowed(start), false);
    *visits_left = walk.visits_left;
    outcome?;
    if is_definite(&path.selectors) {
        return Ok(walk.found.pop().map(Cow::into_owned));
    }
    Ok(Some(Value::Array(walk.found.into_iter().map(Cow::into_owned).collect())))
}

struct Walk<'a> {
    selectors: &'a [Selector],
    root: &'a Value,
    found: Vec<Cow<'a, Value>>,
    visits_left: usize,
}

impl<'a> Walk<'a> {
    /// Applies the selector number `at` to `value`; `definite` says whether all selectors before it were.
    fn step(&mut self, at: usize, value: Cow<'a, Value>, definite: bool) -> Result<(), NotFound> {
        self.visits_left = self.visits_left.checked_sub(1).ok_or_else(|| {
            NotFound(format!("The path {} looks at more than {VISITS_MAX} values", canonical(self.selectors)))
        })?;
        let Some(selector) = self.selectors.get(at) else {
            self.found.push(value);
            return Ok(());
        };
        // Only the object that several names make is owned, and it is always the last.
        let Cow::Borrowed(value) = value else { return Ok(()) };
        match selector {
            Selector::Names(names) => self.names(at, names, value, definite),
            Selector::Indexes(indexes) => {
                let Some(items) = self.array(at, value, definite)? else { return Ok(()) };
                for index in indexes {
                    if let Some(item) = item(items, *index) {
                        self.step(at + 1, Cow::Borrowed(item), definite && indexes.len() == 1)?;
                    }
                }
                Ok(())
            }
            Selector::Slice { start, end, step } => {
                let Some(items) = self.array(at, value, definite)? else { return Ok(()) };
                let bound = |index: i64| match usize::try_from(index) {
                    Ok(index) => index.min(items.len()),
                    Err(_) => items.len().saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
                };
                let (start, end) = (start.map_or(0, bound), end.map_or(items.len(), bound));
                for item in items.get(start..end).unwrap_or_default().iter().step_by(*step) {
                    self.step(at + 1, Cow::Borrowed(item), false)?;
                }
                Ok(())
            }
            Selector::Wildcard => children(value).try_for_each(|child| self.step(at + 1, Cow::Borrowed(child), false)),
            Selector::Descendants => self.descend(at, value),
            Selector::Filter(filter) => match value {
                Value::Array(items) => {
                    for item in items {
                        if filter::test(filter, item, self.root, &mut self.visits_left)? {
                            self.step(at + 1, Cow::Borrowed(item), false)?;
                        }
                    }
                    Ok(())
                }
                Value::Object(_) => {
                    if filter::test(filter, value, self.root, &mut self.visits_left)? {
                        self.step(at + 1, Cow::Borrowed(value), false)?;
                    }
                    Ok(())
                }
                _ if definite => Err(NotFound(format!(
                    "Filter: [?] can not be applied to primitives. Current context is: {}",
                    java_text::text(value)
                ))),
                _ => Ok(()),
            },
        }
    }

    fn names(&mut self, at: usize, names: &[String], value: &'a Value, definite: bool) -> Result<(), NotFound> {
        let last = at + 1 == self.selectors.len();
        let Value::Object(members) = value else {
            if !definite {
                return Ok(());
            }
            return Err(NotFound(format!(
                "Expected to find an object with property {} in path {} but found '{}'. This is not a json object \
                 according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
                fragment(&self.selectors[at]),
                canonical(&self.selectors[..at]),
                java_text::class(value),
            )));
        };
        if let [name] = names {
            return match members.get(name) {
                Some(member) => self.step(at + 1, Cow::Borrowed(member), definite),
                None if !last && definite => {
                    Err(NotFound(format!("Missing property in path {}", canonical(&self.selectors[..=at]))))
                }
                None => Ok(()),
            };
        }
        let present = names.iter().filter_map(|name| Some((name, members.get(name)?)));
        if last {
            let merged: Map<String, Value> = present.map(|(name, member)| (name.clone(), member.clone())).collect();
            return self.step(at + 1, Cow::Owned(Value::Object(merged)), definite);
        }
        for (_, member) in present {
            self.step(at + 1, Cow::Borrowed(member), false)?;
        }
        Ok(())
    }

    fn array(&self, at: usize, value: &'a Value, definite: bool) -> Result<Option<&'a Vec<Value>>, NotFound> {
        match value {
            Value::Array(items) => Ok(Some(items)),
            _ if !definite => Ok(None),
            Value::Null => Err(NotFound(format!("The path {} is null", canonical(&self.selectors[..at])))),
            other => Err(NotFound(format!(
                "Filter: {} can only be applied to arrays. Current context is: {}",
                fragment(&self.selectors[at]),
                java_text::text(other)
            ))),
        }
    }

    /// The value first, then what is below it, level after level from the left.
    fn descend(&mut self, at: usize, value: &'a Value) -> Result<(), NotFound> {
        self.step(at + 1, Cow::Borrowed(value), false)?;
        children(value).try_for_each(|child| match child {
            Value::Array(_) | Value::Object(_) => self.descend(at, child),
            _ => Ok(()),
        })
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn item(items: &[Value], index: i64) -> Option<&Value> {
    match usize::try_from(index) {
        Ok(index) => items.get(index),
        Err(_) => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?).and_then(|at| items.get(at)),
    }
}
