//! The Choice state.

use super::reader::Reader;
use crate::definition::QueryLanguage::{JsonPath, Jsonata};
use crate::definition::{Choice, Rule, StateKind};
use crate::query::Condition;

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
        // What AWS says of the other language's fields is all that needs saying of the rule.
        if self.wrong_language_fields() || (self.language == JsonPath && self.has("Output")) {
            return None;
        }
        match Condition::parse(self.whole(), self.language) {
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
}
