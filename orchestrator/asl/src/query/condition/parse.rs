//! Rule object to test.

use serde_json::{Map, Value};

use super::Test;
use super::comparator::{Comparator, Kind, Operand, Relation, Type, pattern, timestamp};
use crate::query::path::Path;
use crate::query::{Expression, Finding, jsonata as language};

/// Fields of a top-level rule that are read elsewhere.
const OTHER_FIELDS: [&str; 3] = ["Next", "Assign", "Comment"];

const KINDS: [(&str, Kind); 4] =
    [("String", Kind::String), ("Numeric", Kind::Numeric), ("Boolean", Kind::Boolean), ("Timestamp", Kind::Timestamp)];

const TYPES: [(&str, Type); 5] = [
    ("IsNull", Type::Null),
    ("IsNumeric", Type::Numeric),
    ("IsString", Type::String),
    ("IsBoolean", Type::Boolean),
    ("IsTimestamp", Type::Timestamp),
];

const RELATIONS: [(&str, Relation); 5] = [
    ("Equals", Relation::Equals),
    ("LessThan", Relation::LessThan),
    ("GreaterThan", Relation::GreaterThan),
    ("LessThanEquals", Relation::LessThanEquals),
    ("GreaterThanEquals", Relation::GreaterThanEquals),
];

/// Rules inside rules; bounds the recursion of reading and testing.
const NESTING_MAX: usize = 64;

struct Reader<'a> {
    findings: &'a mut Vec<Finding>,
}

/// Reads a JSONPath rule; `top` says whether it may have `Next`, `Assign` and `Output`.
pub(super) fn rule(value: &Value, place: &str, top: bool, findings: &mut Vec<Finding>) -> Option<Test> {
    Reader { findings }.rule(value, place, top, NESTING_MAX)
}

/// Reads a JSONata rule.
pub(super) fn jsonata(value: &Value, findings: &mut Vec<Finding>) -> Option<Test> {
    let mut reader = Reader { findings };
    let Some(members) = value.as_object() else {
        return reader.refuse("", "Expected value of type [OBJECT]");
    };
    for name in members.keys() {
        if !OTHER_FIELDS.contains(&name.as_str()) && name != "Output" && name != "Condition" {
            reader.refuse::<()>("", &format!("Field '{name}' is not supported"));
        }
    }
    let expression = match members.get("Condition") {
        None => return reader.refuse("", "These fields are required: [Condition]"),
        Some(Value::Bool(value)) => return Some(Test::Constant(*value)),
        Some(Value::String(text)) => match language::delimited(text) {
            Ok(Some(inner)) => Expression::jsonata(inner),
            Ok(None) => return reader.refuse("/Condition", "The value must be a boolean or a JSONata expression"),
            Err(message) => Err(message),
        },
        Some(_) => return reader.refuse("/Condition", "The value must be a boolean or a JSONata expression"),
    };
    match expression {
        Ok(expression) => Some(Test::Jsonata(expression)),
        Err(message) => reader.refuse("/Condition", &message),
    }
}

impl Reader<'_> {
    fn refuse<T>(&mut self, place: &str, message: &str) -> Option<T> {
        self.findings.push(Finding { location: place.to_owned(), message: message.to_owned() });
        None
    }

    fn rule(&mut self, value: &Value, place: &str, top: bool, nesting: usize) -> Option<Test> {
        let Some(members) = value.as_object() else {
            return self.refuse(place, "Expected value of type [OBJECT]");
        };
        let Some(nesting) = nesting.checked_sub(1) else {
            return self.refuse(place, "The rules are nested too deeply");
        };
        let mut tests = Vec::new();
        let found = self.findings.len();
        for (name, operand) in members {
            let place = format!("{place}/{name}");
            match name.as_str() {
                "And" | "Or" => tests.push(self.list(name, operand, &place, nesting)),
                "Not" => {
                    tests.push(self.rule(operand, &place, false, nesting).map(|test| Test::Not(Box::new(test))));
                }
                "Variable" | "Comment" => {}
                name if top && OTHER_FIELDS.contains(&name) => {}
                name => tests.push(self.comparison(name, operand, members, &place)),
            }
        }
        match tests.len() {
            1 => {}
            0 => return self.refuse(place, "A rule must have a comparator, 'And', 'Or' or 'Not'"),
            // Fields that no rule has are not counted against it a second time.
            _ if self.findings.len() > found => return None,
            _ => return self.refuse(place, "A rule must have exactly one comparator, 'And', 'Or' or 'Not'"),
        }
        tests.pop().flatten()
    }

    fn list(&mut self, name: &str, operand: &Value, place: &str, nesting: usize) -> Option<Test> {
        let Some(rules) = operand.as_array() else {
            return self.refuse(place, "Expected value of type [ARRAY]");
        };
        if rules.is_empty() {
            return self.refuse(place, "The array must not be empty");
        }
        let tests: Vec<Option<Test>> = rules
            .iter()
            .enumerate()
            .map(|(at, rule)| self.rule(rule, &format!("{place}[{at}]"), false, nesting))
            .collect();
        let tests = tests.into_iter().collect::<Option<Vec<_>>>()?;
        Some(if name == "And" { Test::And(tests) } else { Test::Or(tests) })
    }

    fn comparison(&mut self, name: &str, operand: &Value, members: &Map<String, Value>, place: &str) -> Option<Test> {
        if !is_comparator(name) {
            // AWS locates an unknown field at the object that holds it.
            let rule = &place[..place.len() - name.len() - 1];
            return self.refuse(rule, &format!("Field '{name}' is not supported"));
        }
        let comparator = self.comparator(name, operand, place);
        // The place ends with the name of the comparator.
        let rule = &place[..place.len() - name.len() - 1];
        let variable = match members.get("Variable") {
            None => self.refuse(rule, "These fields are required: [Variable]"),
            Some(Value::String(text)) => self.path(text, &format!("{rule}/Variable")),
            Some(_) => self.refuse(&format!("{rule}/Variable"), "Expected value of type [STRING]"),
        };
        Some(Test::Compare(variable?, comparator?))
    }

    fn path(&mut self, text: &str, place: &str) -> Option<Path> {
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(why) => self.refuse(place, &format!("Value is not a valid JSONPath: {why}")),
        }
    }

    fn comparator(&mut self, name: &str, operand: &Value, place: &str) -> Option<Comparator> {
        let boolean = |operand: &Value| operand.as_bool();
        if let Some((_, ty)) = TYPES.iter().find(|(text, _)| *text == name) {
            return match boolean(operand) {
                Some(expected) => Some(Comparator::Is(*ty, expected)),
                None => self.refuse(place, "Expected value of type [BOOLEAN]"),
            };
        }
        match name {
            "IsPresent" => match boolean(operand) {
                Some(expected) => return Some(Comparator::IsPresent(expected)),
                None => return self.refuse(place, "Expected value of type [BOOLEAN]"),
            },
            "StringMatches" => {
                return match operand.as_str().map(pattern) {
                    Some(Some(pattern)) => Some(Comparator::StringMatches(pattern)),
                    Some(None) => self.refuse(place, "A backslash in the pattern must be followed by '*' or '\\'"),
                    None => self.refuse(place, "Expected value of type [STRING]"),
                };
            }
            _ => {}
        }
        let (kind, relation, is_path) = compare(name)?;
        if is_path {
            return match operand.as_str() {
                Some(text) => {
                    self.path(text, place).map(|path| Comparator::Compare(kind, relation, Operand::Path(path)))
                }
                None => self.refuse(place, "Expected value of type [STRING]"),
            };
        }
        let problem = match kind {
            Kind::String if !operand.is_string() => Some("Expected value of type [STRING]"),
            Kind::Numeric if !operand.is_number() => Some("Expected value of type [NUMBER]"),
            Kind::Boolean if !operand.is_boolean() => Some("Expected value of type [BOOLEAN]"),
            Kind::Timestamp if operand.as_str().and_then(timestamp).is_none() => {
                Some("String does not match RFC3339 timestamp")
            }
            _ => None,
        };
        match problem {
            Some(problem) => self.refuse(place, problem),
            None => Some(Comparator::Compare(kind, relation, Operand::Literal(operand.clone()))),
        }
    }
}

fn is_comparator(name: &str) -> bool {
    matches!(name, "IsPresent" | "StringMatches")
        || TYPES.iter().any(|(text, _)| *text == name)
        || compare(name).is_some()
}

/// Takes the name of a comparator apart.
fn compare(name: &str) -> Option<(Kind, Relation, bool)> {
    let (kind, rest) = KINDS.iter().find_map(|(text, kind)| Some((*kind, name.strip_prefix(text)?)))?;
    let (relation, is_path) = match rest.strip_suffix("Path") {
        Some(relation) => (relation, true),
        None => (rest, false),
    };
    let (_, relation) = RELATIONS.iter().find(|(text, _)| *text == relation)?;
    let exists = kind != Kind::Boolean || *relation == Relation::Equals;
    exists.then_some((kind, *relation, is_path))
}
