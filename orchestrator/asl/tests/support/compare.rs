//! Compares a recording with what happened here: placeholders, account ids and times do not count.
//!
//! In recordings `<name>` stands for any text and `<name:N>` for the same text throughout the case, times are `date`, and
//! texts that hold JSON are compared as JSON.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

pub struct Normaliser {
    replacements: Vec<(Replacement, String)>,
    /// Expected values that stand for anything.
    wild: BTreeSet<String>,
    instant: Regex,
    placeholder: Regex,
    numbered: Regex,
}

enum Replacement {
    Literal(String),
    Pattern(Regex),
}

impl Normaliser {
    pub fn new(normalise: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let regex = |pattern: &str| Regex::new(pattern).expect("a valid pattern");
        let replacements = normalise["replace"].as_array().into_iter().flatten().map(|rule| {
            let from = text(&rule[0]);
            let from =
                if rule.get(2).is_some() { Replacement::Pattern(regex(&from)) } else { Replacement::Literal(from) };
            (from, text(&rule[1]))
        });
        let wild = normalise["wild"].as_array().into_iter().flatten().map(text);
        Self {
            replacements: replacements.collect(),
            wild: wild.chain(["timestamp".to_owned(), "datetime".to_owned()]).collect(),
            instant: regex(
                r"[1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-][01]\d:?(?:[0-5]\d)?)",
            ),
            placeholder: regex("<[^<>]*>"),
            numbered: regex(r"^<[\w. -]+:\d+>$"),
        }
    }

    fn base(&self, text: &str) -> String {
        self.instant.replace_all(text, "date").into_owned()
    }

    fn full(&self, text: &str) -> String {
        let replaced = self.replacements.iter().fold(text.to_owned(), |text, (from, to)| match from {
            Replacement::Literal(from) => text.replace(from, to),
            Replacement::Pattern(from) => from.replace_all(&text, regex::NoExpand(to)).into_owned(),
        });
        self.base(&replaced)
    }
}

pub struct Comparison<'a> {
    normaliser: &'a Normaliser,
    /// Whether `1` and `1.0` differ.
    strict: bool,
    /// What the numbered placeholders stand for.
    bound: BTreeMap<String, String>,
}

impl<'a> Comparison<'a> {
    pub fn new(normaliser: &'a Normaliser, strict: bool) -> Self {
        Self { normaliser, strict, bound: BTreeMap::new() }
    }

    /// The first difference, with where it is.
    pub fn difference(&mut self, expected: &Value, actual: &Value, path: &str) -> Option<String> {
        let differ = || Some(format!("{path}: expected {}, got {}", short(expected), short(actual)));
        match (expected, actual) {
            (Value::String(wanted), _) => {
                let nested = actual.is_object() || actual.is_array();
                let names_time = matches!(wanted.as_str(), "timestamp" | "datetime" | "date");
                if self.normaliser.wild.contains(wanted) && (!nested || !names_time) {
                    return None;
                }
                if let Value::String(given) = actual {
                    let base = self.normaliser.base(given);
                    if self.unify(wanted, &self.normaliser.full(given)) || self.unify(wanted, &base) {
                        return None;
                    }
                    return match (parsed(wanted), parsed(&base)) {
                        (Some(wanted), Some(given)) => self.difference(&wanted, &given, path),
                        _ => differ(),
                    };
                }
                if let (Some(wanted), true) = (parsed(wanted), nested) {
                    return self.difference(&wanted, actual, path);
                }
                let whole = self.normaliser.placeholder.find(wanted).is_some_and(|found| found.len() == wanted.len());
                if whole && !nested { None } else { differ() }
            }
            (Value::Object(_) | Value::Array(_), Value::String(given)) => match parsed(&self.normaliser.base(given)) {
                Some(given) => self.difference(expected, &given, path),
                None => differ(),
            },
            (Value::Object(wanted), Value::Object(given)) => {
                let mut left: Vec<(String, &Value)> =
                    given.iter().map(|(key, value)| (self.normaliser.full(key), value)).collect();
                for (key, value) in wanted {
                    let found = left.iter().position(|(name, _)| name == key).or_else(|| {
                        left.iter().position(|(name, _)| !wanted.contains_key(name) && self.unify(key, name))
                    });
                    let Some(found) = found else {
                        return Some(format!("{path}: missing key `{key}` (expected {})", short(value)));
                    };
                    let (_, actual) = left.remove(found);
                    if let Some(difference) = self.difference(value, actual, &format!("{path}.{key}")) {
                        return Some(difference);
                    }
                }
                // Later than some of the recordings.
                left.retain(|(name, _)| name != "RedriveCount");
                left.first().map(|(name, value)| format!("{path}: unexpected key `{name}` = {}", short(value)))
            }
            (Value::Array(wanted), Value::Array(given)) => {
                let pairs = wanted.iter().zip(given).enumerate();
                for (index, (wanted, given)) in pairs {
                    if let Some(difference) = self.difference(wanted, given, &format!("{path}[{index}]")) {
                        return Some(difference);
                    }
                }
                if wanted.len() == given.len() { None } else { differ() }
            }
            (Value::Number(wanted), Value::Number(given)) => {
                let equal = wanted.as_f64() == given.as_f64() && (!self.strict || wanted.is_f64() == given.is_f64());
                if equal { None } else { differ() }
            }
            (wanted, given) => {
                if wanted == given {
                    None
                } else {
                    differ()
                }
            }
        }
    }

    /// Whether `given` is `wanted` with something in place of each placeholder.
    fn unify(&mut self, wanted: &str, given: &str) -> bool {
        if wanted == given {
            return true;
        }
        let mut names = Vec::new();
        let (mut pattern, mut end) = ("(?s)^".to_owned(), 0);
        for found in self.normaliser.placeholder.find_iter(wanted) {
            pattern += &regex::escape(&wanted[end..found.start()]);
            pattern += "(.+?)";
            names.push(found.as_str());
            end = found.end();
        }
        if names.is_empty() {
            return false;
        }
        pattern += &regex::escape(&wanted[end..]);
        pattern += "$";
        let Ok(pattern) = Regex::new(&pattern) else { return false };
        let Some(found) = pattern.captures(given) else { return false };
        let mut bound = self.bound.clone();
        for (name, value) in names.iter().zip(found.iter().skip(1).flatten()) {
            if value.as_str() == *name || !self.normaliser.numbered.is_match(name) {
                continue;
            }
            if bound.insert((*name).to_owned(), value.as_str().to_owned()).is_some_and(|old| old != value.as_str()) {
                return false;
            }
        }
        self.bound = bound;
        true
    }
}

fn parsed(text: &str) -> Option<Value> {
    text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten()
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}
