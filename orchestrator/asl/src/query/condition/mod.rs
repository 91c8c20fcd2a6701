//! Whether a rule of a Choice state matches.

mod comparator;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use super::path::Path;
use super::{Data, EvalError, Expression, Finding};
use crate::definition::QueryLanguage;
use comparator::Comparator;

/// The test of a Choice rule: comparators with `And`, `Or`, `Not` (JSONPath) or `Condition` (JSONata).
#[derive(Clone, Debug)]
pub struct Condition {
    test: Test,
}

/// The seam between the languages.
#[derive(Clone, Debug)]
enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    /// `Variable` and a comparator.
    Compare(Path, Comparator),
    /// `Condition: true`.
    Constant(bool),
    /// `Condition: "{% … %}"`.
    Jsonata(Expression),
}

impl Condition {
    /// Reads the rule object (without looking at `Next`, `Assign`, `Output`, `Comment`).
    pub fn parse(rule: &Value, language: QueryLanguage) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let test = match language {
            QueryLanguage::JsonPath => parse::rule(rule, "", true, &mut findings),
            QueryLanguage::Jsonata => parse::jsonata(rule, &mut findings),
        };
        match test {
            Some(test) if findings.is_empty() => Ok(Self { test }),
            _ => Err(findings),
        }
    }

    /// Names of the variables it refers to.
    pub fn variables(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.test.collect_variables(&mut names);
        names
    }

    /// Names of the fields of `$states` that a JSONata condition uses.
    pub fn states_fields(&self) -> BTreeSet<String> {
        match &self.test {
            Test::Jsonata(expression) => expression.states_fields(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether the rule matches. `rule` is its index, for the location of a JSONata failure.
    pub fn test(&self, rule: usize, data: &Data<'_>) -> Result<bool, EvalError> {
        self.test.holds(rule, data)
    }
}

impl Test {
    fn holds(&self, rule: usize, data: &Data<'_>) -> Result<bool, EvalError> {
        match self {
            Self::And(tests) => {
                for test in tests {
                    if !test.holds(rule, data)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(tests) => {
                for test in tests {
                    if test.holds(rule, data)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(test) => Ok(!test.holds(rule, data)?),
            Self::Compare(variable, Comparator::IsPresent(expected)) => Ok(variable.select(data).is_ok() == *expected),
            Self::Compare(variable, comparator) => comparator.holds(&reference(variable, data)?, data),
            Self::Constant(value) => Ok(*value),
            Self::Jsonata(expression) => {
                let field = format!("Choices[{rule}]/Condition");
                match expression.evaluate(&field, data)? {
                    Value::Bool(value) => Ok(value),
                    other => Err(expression.unexpected_type(&field, "boolean", &other)),
                }
            }
        }
    }

    fn collect_variables(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::And(tests) | Self::Or(tests) => tests.iter().for_each(|test| test.collect_variables(names)),
            Self::Not(test) => test.collect_variables(names),
            Self::Compare(variable, comparator) => {
                names.extend(variable.variable().map(str::to_owned));
                names.extend(comparator.path().and_then(Path::variable).map(str::to_owned));
            }
            Self::Constant(_) => {}
            Self::Jsonata(expression) => expression.collect_variables(names),
        }
    }
}

/// The value at a path of a rule.
fn reference(path: &Path, data: &Data<'_>) -> Result<Value, EvalError> {
    path.select(data).map_err(|_| {
        EvalError::runtime(format!(
            "Invalid path '{}': The choice state's condition path references an invalid value.",
            path.text()
        ))
    })
}
