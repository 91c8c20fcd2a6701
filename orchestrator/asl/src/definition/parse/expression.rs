//! Fields that hold expressions: paths, templates, operands, `Assign`.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::reader::{Reader, SCHEMA};
use crate::definition::QueryLanguage::{JsonPath, Jsonata};
use crate::definition::{Operand, QueryLanguage, ResultPath, Selection};
use crate::query::{Expression, Finding, Path, ReferencePath, Template};

/// The longest name of a variable, in characters. Source: AWS, "Passing data between states with variables".
const VARIABLE_NAME_LENGTH_MAX: usize = 80;

/// The text between `{%` and `%}`, trimmed; `None` if the string is no expression.
pub(super) fn delimited(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}

/// Whether any string in `value` is an expression.
pub(super) fn has_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with("{%") || text.ends_with("%}"),
        Value::Array(items) => items.iter().any(has_expression),
        Value::Object(fields) => fields.values().any(has_expression),
        _ => false,
    }
}

const INVALID: &str = "INVALID_JSONATA_EXPRESSION";
const UNSUPPORTED: &str = "UNSUPPORTED_JSONATA_EXPRESSION";

/// The AWS code of a finding in an expression, and its message as AWS writes it: without JSONata's own code
/// (measured: `INVALID_JSONATA_EXPRESSION: Unexpected end of expression`).
fn code(language: QueryLanguage, message: &str) -> (&'static str, &str) {
    if language == JsonPath {
        return (SCHEMA, message);
    }
    if let Some(why) = message.strip_prefix("Invalid JSONata expression: ") {
        return (INVALID, without_code(why));
    }
    match message.strip_prefix("Unsupported JSONata expression: ") {
        Some(why) => (UNSUPPORTED, why),
        None if message.starts_with("The JSONata expression ") => (INVALID, message),
        None => (SCHEMA, message),
    }
}

/// A message of the JSONata parser without `S0207: ` in front.
fn without_code(message: &str) -> &str {
    match message.split_once(": ") {
        Some((code, why)) if code.len() == 5 && code.bytes().skip(1).all(|byte| byte.is_ascii_digit()) => why,
        _ => message,
    }
}

impl<'v> Reader<'v> {
    /// A template in the language in effect.
    pub(super) fn template(&mut self, field: &'static str) -> Option<Template> {
        let value = self.value(field)?;
        self.parse_template(field, value)
    }

    /// A template that only `language` has.
    pub(super) fn template_in(&mut self, language: QueryLanguage, field: &'static str) -> Option<Template> {
        let value = self.value_in(language, field)?;
        self.parse_template(field, value)
    }

    /// A template that must be an object: `Parameters` and its like shape a payload field by field.
    pub(super) fn object_template_in(&mut self, language: QueryLanguage, field: &'static str) -> Option<Template> {
        let value = self.value_in(language, field)?;
        if language == JsonPath && !value.is_object() {
            self.field_error(field, "Expected value of type [OBJECT]");
            return None;
        }
        self.parse_template(field, value)
    }

    /// Reads a template and notes the variables it refers to.
    pub(super) fn parse_template(&self, field: &str, value: &Value) -> Option<Template> {
        match Template::parse(value, self.language) {
            Ok(template) => {
                self.notes.variables.borrow_mut().extend(template.variables());
                Some(template)
            }
            Err(findings) => {
                self.report(field, findings);
                None
            }
        }
    }

    /// Reports findings of an expression parser; an empty `field` is the object itself.
    pub(super) fn report(&self, field: &str, findings: Vec<Finding>) {
        let location = if field.is_empty() { self.location.clone() } else { self.at(field) };
        for finding in findings {
            let (code, message) = code(self.language, &finding.message);
            self.findings.add(code, &format!("{location}{}", finding.location), message);
        }
    }

    fn expression(&self, field: &str, parsed: Result<Expression, String>) -> Option<Expression> {
        match parsed {
            Ok(expression) => {
                self.notes.variables.borrow_mut().extend(expression.variables());
                Some(expression)
            }
            Err(message) => {
                self.report(field, vec![Finding { location: String::new(), message }]);
                None
            }
        }
    }

    /// A field of JSONPath that holds a path. A missing `$.` at its beginning is understood, as AWS does (recorded:
    /// `"TimestampPath": "timestamp"` in `BASE_REFERENCE_IN_WAIT`).
    pub(super) fn path(&mut self, field: &'static str) -> Option<Expression> {
        let text = self.string_in(JsonPath, field)?;
        let parsed = match text.starts_with(char::is_alphabetic) {
            true => Expression::path(&format!("$.{text}")),
            false => Expression::path(text),
        };
        self.expression(field, parsed)
    }

    /// A field of JSONPath that holds a path or a function call.
    pub(super) fn path_or_intrinsic(&mut self, field: &'static str) -> Option<Expression> {
        let text = self.string_in(JsonPath, field)?;
        self.expression(field, Expression::path_or_intrinsic(text))
    }

    /// The expression in `value`, if this is JSONata and the value a string that starts as one; `Err` if it is
    /// one that cannot be read.
    pub(super) fn jsonata(&self, field: &str, value: &Value) -> Result<Option<Expression>, ()> {
        let (Jsonata, Value::String(text)) = (self.language, value) else { return Ok(None) };
        match delimited(text) {
            Some(inner) => self.expression(field, Expression::jsonata(inner)).map(Some).ok_or(()),
            None if has_expression(value) => {
                let message = "The JSONata expression must start with '{%' and end with '%}'".to_owned();
                self.report(field, vec![Finding { location: String::new(), message }]);
                Err(())
            }
            None => Ok(None),
        }
    }

    /// `InputPath` or `OutputPath`.
    pub(super) fn selection(&mut self, field: &'static str) -> Selection {
        let Some(value) = self.value_in(JsonPath, field) else { return Selection::Whole };
        match value {
            Value::Null => Selection::Nothing,
            Value::String(text) if text == "$" => Selection::Whole,
            Value::String(text) => {
                // The expression knows its variables, the path how to select.
                let known = self.expression(field, Expression::path(text)).is_some();
                match known.then(|| Path::parse(text)) {
                    Some(Ok(path)) => Selection::Path(path),
                    Some(Err(message)) => {
                        self.field_error(field, message);
                        Selection::Whole
                    }
                    None => Selection::Whole,
                }
            }
            _ => {
                self.field_error(field, "Expected value of type [STRING]");
                Selection::Whole
            }
        }
    }

    /// `ResultPath`.
    pub(super) fn result_path(&mut self) -> ResultPath {
        let field = "ResultPath";
        match self.value_in(JsonPath, field) {
            None => ResultPath::Replace,
            Some(Value::Null) => ResultPath::Discard,
            Some(Value::String(text)) if text == "$" => ResultPath::Replace,
            Some(Value::String(text)) => match ReferencePath::parse(text) {
                Ok(path) => ResultPath::At(path),
                Err(message) => {
                    self.field_error(field, message);
                    ResultPath::Replace
                }
            },
            Some(_) => {
                self.field_error(field, "Expected value of type [STRING]");
                ResultPath::Replace
            }
        }
    }

    /// A whole number: literal, `{% %}`, or a path in `path_field`.
    pub(super) fn integer_operand(
        &mut self,
        field: &'static str,
        path_field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<Operand<u64>> {
        self.operand(field, path_field, |reader, value| reader.as_integer(field, value, range))
    }

    /// A literal, `{% %}`, or a path in `path_field`; the two fields exclude each other.
    pub(super) fn operand<T>(
        &mut self,
        field: &'static str,
        path_field: &'static str,
        literal: impl FnOnce(&Self, &'v Value) -> Option<T>,
    ) -> Option<Operand<T>> {
        self.exclusive(&[field, path_field]);
        let path = self.path(path_field).map(Operand::Path);
        let Some(value) = self.value(field) else { return path };
        match self.jsonata(field, value) {
            Ok(Some(expression)) => Some(Operand::Jsonata(expression)),
            Ok(None) => literal(self, value).map(Operand::Literal).or(path),
            Err(()) => None,
        }
    }

    /// `Assign`, whose names are noted for the rules between scopes.
    pub(super) fn assign(&mut self) -> Option<Template> {
        let field = "Assign";
        let value = self.value(field)?;
        let Some(object) = value.as_object() else {
            self.field_error(field, "Expected value of type [OBJECT]");
            return None;
        };
        let location = self.at(field);
        for key in object.keys() {
            let name = if self.language == JsonPath { key.strip_suffix(".$").unwrap_or(key) } else { key };
            if let Some(problem) = variable_name_problem(name) {
                self.findings.add(SCHEMA, &location, problem);
            } else {
                self.notes.assigned.borrow_mut().entry(name.to_owned()).or_insert_with(|| location.clone());
            }
        }
        self.parse_template(field, value)
    }

    /// Reports `$states.result` and `$states.errorOutput` where AWS does not offer them.
    pub(super) fn forbid_states_member(&self, field: &str, value: &Value, members: &[&str]) {
        if self.language != Jsonata {
            return;
        }
        match value {
            Value::String(text) => {
                // What cannot be read is reported where the field is.
                let Some(Ok(expression)) = delimited(text).map(Expression::jsonata) else { return };
                for member in expression.states_fields().iter().filter(|member| members.contains(&member.as_str())) {
                    let message = format!("Reference to '$states.{member}' is not supported in this field");
                    self.findings.add(UNSUPPORTED, &self.at(field), message);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.forbid_states_member(&format!("{field}[{index}]"), item, members);
                }
            }
            Value::Object(fields) => {
                for (key, item) in fields {
                    self.forbid_states_member(&format!("{field}/{key}"), item, members);
                }
            }
            _ => {}
        }
    }

    /// [`Self::forbid_states_member`] for every field of `fields` that the object has.
    pub(super) fn forbid_states_members(&self, fields: &[&str], members: &[&str]) {
        for field in fields {
            if let Some(value) = self.peek(field) {
                self.forbid_states_member(field, value, members);
            }
        }
    }
}

static VARIABLE_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\p{ID_Start}\p{ID_Continue}*$").expect("the pattern is constant"));

/// Why `name` cannot be the name of a variable.
fn variable_name_problem(name: &str) -> Option<String> {
    if name == "states" {
        return Some("Variable name 'states' is reserved; choose another name".to_owned());
    }
    if name.chars().count() > VARIABLE_NAME_LENGTH_MAX {
        return Some(format!("Variable name '{name}' is longer than {VARIABLE_NAME_LENGTH_MAX} characters"));
    }
    (!VARIABLE_NAME.is_match(name)).then(|| {
        format!("Variable name '{name}' is invalid; it must start with a letter, then letters, digits and '_' only")
    })
}
