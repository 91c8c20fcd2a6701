//! Walks one JSON object of a definition: fields are taken by name, findings carry where they were made,
//! and whatever nobody took in the end is a field the language does not have.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::definition::{Diagnostic, QueryLanguage, Severity};

/// Findings of the whole definition, in the order they were made.
#[derive(Clone, Default)]
pub(super) struct Findings(Rc<RefCell<Vec<Diagnostic>>>);

/// The code of every finding that the graph rules and the JSON reader do not name more closely.
pub(super) const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";

impl Findings {
    /// Adds an error at `location`; the empty location is the machine itself, which AWS calls `/`.
    pub(super) fn add(&self, code: &'static str, location: &str, message: impl Into<String>) {
        let location = if location.is_empty() { "/" } else { location };
        self.push(Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            location: Some(location.to_owned()),
        });
    }

    pub(super) fn push(&self, finding: Diagnostic) {
        self.0.borrow_mut().push(finding);
    }

    /// What has been found so far; leaves none behind.
    pub(super) fn take(&self) -> Vec<Diagnostic> {
        self.0.take()
    }
}

/// A name that some transition leads to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub name: String,
    pub location: String,
}

/// What the rules of a whole scope need to know of one state, collected while its objects are read.
#[derive(Default)]
pub(super) struct Notes {
    pub targets: RefCell<Vec<Target>>,
    /// Variables that expressions refer to.
    pub variables: RefCell<BTreeSet<String>>,
    /// Variables that are assigned, with the `Assign` that does so.
    pub assigned: RefCell<BTreeMap<String, String>>,
}

/// One object of the definition.
pub(super) struct Reader<'v> {
    value: &'v Value,
    fields: &'v Map<String, Value>,
    taken: BTreeSet<&'static str>,
    /// `/States/<name>/...`, empty for the machine.
    pub location: String,
    /// The language in effect.
    pub language: QueryLanguage,
    /// Set where the language itself was refused: AWS then says nothing of fields of the other one.
    pub any_language: bool,
    pub findings: Findings,
    pub notes: Rc<Notes>,
}

impl<'v> Reader<'v> {
    /// A reader of `value`, or a finding if that is no object.
    pub(super) fn new(
        value: &'v Value,
        location: String,
        language: QueryLanguage,
        findings: &Findings,
    ) -> Option<Self> {
        let Some(fields) = value.as_object() else {
            findings.add(SCHEMA, &location, "Expected value of type [OBJECT]");
            return None;
        };
        Some(Self {
            value,
            fields,
            taken: BTreeSet::new(),
            location,
            language,
            any_language: false,
            findings: findings.clone(),
            notes: Rc::default(),
        })
    }

    /// A reader of a part of the same state.
    pub(super) fn child(&self, value: &'v Value, location: String) -> Option<Self> {
        let mut child = Self::new(value, location, self.language, &self.findings)?;
        child.any_language = self.any_language;
        child.notes = Rc::clone(&self.notes);
        Some(child)
    }

    /// The location of a field of this object.
    pub(super) fn at(&self, field: &str) -> String {
        format!("{}/{field}", self.location)
    }

    /// Something is wrong with this object.
    pub(super) fn error(&self, message: impl Into<String>) {
        self.findings.add(SCHEMA, &self.location, message);
    }

    /// Something is wrong with a field of this object.
    pub(super) fn field_error(&self, field: &str, message: impl Into<String>) {
        self.findings.add(SCHEMA, &self.at(field), message);
    }

    /// Whether the object has this field, taken or not.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// The field's value, without taking it.
    pub(super) fn peek(&self, field: &str) -> Option<&'v Value> {
        self.fields.get(field)
    }

    /// The object itself.
    pub(super) fn whole(&self) -> &'v Value {
        self.value
    }

    /// Reports all of `fields` that are missing, in one finding as AWS does.
    pub(super) fn require(&self, fields: &[&str]) {
        let missing: Vec<&str> = fields.iter().copied().filter(|field| !self.has(field)).collect();
        if !missing.is_empty() {
            self.error(format!("These fields are required: [{}]", missing.join(", ")));
        }
    }

    /// Reports more than one of `fields`; they exclude each other.
    pub(super) fn exclusive(&self, fields: &[&str]) {
        let present: Vec<&str> = fields.iter().copied().filter(|field| self.has(field)).collect();
        if present.len() > 1 {
            self.error(format!("Only one of these fields is allowed: [{}]; remove the others", present.join(", ")));
        }
    }

    /// The field's value in either language.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'v Value> {
        self.taken.insert(field);
        self.fields.get(field)
    }

    /// The field's value, if the language in effect is the field's.
    pub(super) fn value_in(&mut self, language: QueryLanguage, field: &'static str) -> Option<&'v Value> {
        let value = self.value(field)?;
        if language == self.language {
            return Some(value);
        }
        if !self.any_language {
            self.error(format!(
                "The QueryLanguage is set to '{}', but field '{field}' is only supported for the '{}' QueryLanguage",
                self.language.as_str(),
                language.as_str(),
            ));
        }
        None
    }

    /// A text.
    pub(super) fn string(&mut self, field: &'static str) -> Option<&'v str> {
        let value = self.value(field)?;
        self.as_string(field, value)
    }

    /// A text that only `language` has.
    pub(super) fn string_in(&mut self, language: QueryLanguage, field: &'static str) -> Option<&'v str> {
        let value = self.value_in(language, field)?;
        self.as_string(field, value)
    }

    fn as_string(&self, field: &str, value: &'v Value) -> Option<&'v str> {
        let text = value.as_str();
        if text.is_none() {
            self.field_error(field, "Expected value of type [STRING]");
        }
        text
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, field: &'static str) -> Option<bool> {
        let value = self.value(field)?;
        if !value.is_boolean() {
            self.field_error(field, "Expected value of type [BOOLEAN]");
        }
        value.as_bool()
    }

    /// One of a few words.
    pub(super) fn word(&mut self, field: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.string(field)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            self.field_error(field, format!("Value should be one of the following: [{}]", words.join(", ")));
        }
        found
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, field: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(field)?;
        self.as_integer(field, value, range)
    }

    pub(super) fn as_integer(&self, field: &str, value: &Value, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match (value.as_u64(), value.as_f64()) {
            (Some(number), _) => number,
            // `5.0` is the integer 5, as in JSON Schema.
            (None, Some(float)) if float.fract() == 0.0 && (0.0..=1e15).contains(&float) => float as u64,
            (None, Some(float)) if float.fract() == 0.0 => {
                self.out_of_range(field, float < 0.0, &range);
                return None;
            }
            _ => {
                self.field_error(field, "Expected value of type [INTEGER]");
                return None;
            }
        };
        if range.contains(&number) {
            return Some(number);
        }
        self.out_of_range(field, number < *range.start(), &range);
        None
    }

    fn out_of_range(&self, field: &str, below: bool, range: &RangeInclusive<u64>) {
        let (side, limit) = if below { ("Minimum", range.start()) } else { ("Maximum", range.end()) };
        self.field_error(field, format!("{side} value is {limit}"));
    }

    /// A number within `range`, fractions allowed.
    pub(super) fn as_number(&self, field: &str, value: &Value, range: RangeInclusive<f64>) -> Option<f64> {
        let Some(number) = value.as_f64() else {
            self.field_error(field, "Expected value of type [NUMBER]");
            return None;
        };
        if range.contains(&number) {
            return Some(number);
        }
        let (side, limit) = if number < *range.start() { ("Minimum", range.start()) } else { ("Maximum", range.end()) };
        self.field_error(field, format!("{side} value is {limit}"));
        None
    }

    /// A list that is not empty.
    pub(super) fn list(&mut self, field: &'static str) -> Option<&'v [Value]> {
        let value = self.value(field)?;
        match value.as_array() {
            None => self.field_error(field, "Expected value of type [ARRAY]"),
            Some(items) if items.is_empty() => self.field_error(field, "The array must not be empty"),
            Some(items) => return Some(items),
        }
        None
    }

    /// A list of objects, each with its own reader at `/<field>[<index>]`.
    pub(super) fn objects(&mut self, field: &'static str) -> Vec<Self> {
        let Some(items) = self.list(field) else { return Vec::new() };
        let location = self.at(field);
        items.iter().enumerate().filter_map(|(index, item)| self.child(item, format!("{location}[{index}]"))).collect()
    }

    /// An object.
    pub(super) fn object(&mut self, field: &'static str) -> Option<Self> {
        let value = self.value(field)?;
        let location = self.at(field);
        self.child(value, location)
    }

    /// A name that this field leads to.
    pub(super) fn target(&mut self, field: &'static str) -> Option<crate::ids::StateName> {
        let name = self.string(field)?;
        let target = Target { name: name.to_owned(), location: self.at(field) };
        self.notes.targets.borrow_mut().push(target);
        Some(name.into())
    }

    /// Ends the reading: fields that were not taken are reported, in the order of the text.
    pub(super) fn finish(mut self) {
        self.string("Comment");
        for field in self.fields.keys().filter(|field| !self.taken.contains(field.as_str())) {
            self.error(format!("Field '{field}' is not supported"));
        }
    }
}
