//! The Choice state.

use serde_json::Value;

use super::reader::Reader;
use crate::definition::QueryLanguage::{JsonPath, Jsonata};
use crate::definition::{Choice, Rule, StateKind};
use crate::query::Condition;

/// Fields of a rule that only its top level has.
const TOP_ONLY: [&str; 3] = ["Next", "Assign", "Output"];

impl Reader<'_> {
    /// The fields that only a Choice has.
    pub(super) fn choice(&mut self) -> StateKind {
        self.require(&["Choices"]);
        let rules = self.objects("Choices").into_iter().filter_map(Self::rule).collect();
        let default = self.target("Default");
        StateKind::Choice(Choice { rules, default })
    }

    fn rule(mut self) -> Option<Rule> {
        self.require(&["Next"]);
        let next = self.target("Next");
        let assign = self.assign();
        let output = self.template_in(Jsonata, "Output");
        self.string("Comment");
        let condition = self.condition();
        Some(Rule { condition: condition?, next: next?, assign, output })
    }

    /// The test; the comparators and their operands are the query language's affair.
    fn condition(&mut self) -> Option<Condition> {
        let before = self.wrong_language_fields();
        let whole = self.whole();
        for (place, rule) in nested(whole) {
            self.check_nested(rule, &self.at(&place));
        }
        if before {
            return None;
        }
        match Condition::parse(whole, self.language) {
            Ok(condition) => {
                self.notes.variables.borrow_mut().extend(condition.variables());
                Some(condition)
            }
            Err(findings) => {
                self.report("", findings);
                None
            }
        }
    }

    /// Reports fields of the other language; whether there were any.
    fn wrong_language_fields(&mut self) -> bool {
        let (language, fields): (_, &[&'static str]) = match self.language {
            JsonPath => (Jsonata, &["Condition"]),
            Jsonata => (JsonPath, &["Variable", "And", "Or", "Not"]),
        };
        fields.iter().filter(|field| self.has(field) && self.value_in(language, field).is_none()).count() > 0
    }

    /// Rules inside `And`, `Or`, `Not` are tests only.
    fn check_nested(&self, rule: &Value, location: &str) {
        let Some(fields) = rule.as_object() else { return };
        for field in TOP_ONLY.iter().filter(|field| fields.contains_key(**field)) {
            let message = format!("Field '{field}' is not supported");
            self.findings.add(super::SCHEMA, location, message);
        }
        for (place, rule) in nested(rule) {
            self.check_nested(rule, &format!("{location}/{place}"));
        }
    }
}

/// The rules directly inside a rule, each with its place: `And[0]`, `Or[1]`, `Not`.
fn nested(rule: &Value) -> Vec<(String, &Value)> {
    let mut rules = Vec::new();
    for operator in ["And", "Or"] {
        let list = rule.get(operator).and_then(Value::as_array).into_iter().flatten().enumerate();
        rules.extend(list.map(|(index, rule)| (format!("{operator}[{index}]"), rule)));
    }
    rules.extend(rule.get("Not").map(|rule| ("Not".to_owned(), rule)));
    rules
}
