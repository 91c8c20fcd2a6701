//! JSONPath as Step Functions knows it: Jayway's dialect with `$`, `$$` and `$name` as roots.

mod ast;
pub(super) mod cursor;
mod evaluate;
mod filter;
mod parse;
mod parse_filter;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{Data, EvalError};
use ast::{Root, Selector};
pub(super) use evaluate::NotFound;

/// A JSONPath: `$…`, `$$…` (context object) or `$name…` (variable).
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
    root: Root,
    selectors: Vec<Selector>,
}

impl Path {
    /// Reads a path; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (root, selectors) = parse::path(text)?;
        Ok(Self { text: text.to_owned(), root, selectors })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it leads to one value rather than to an array of everything that matches.
    pub fn is_definite(&self) -> bool {
        ast::is_definite(&self.selectors)
    }

    /// Whether it is a path on the context object.
    pub fn is_context(&self) -> bool {
        self.root == Root::Context
    }

    /// The variable it starts at.
    pub fn variable(&self) -> Option<&str> {
        match &self.root {
            Root::Variable(name) => Some(name),
            Root::Input | Root::Context => None,
        }
    }

    /// Whether `ResultPath` and `…Path` comparators take it: names and single indexes only.
    pub fn is_reference(&self) -> bool {
        self.selectors.iter().all(|selector| match selector {
            Selector::Names(names) => names.len() == 1,
            Selector::Indexes(indexes) => indexes.len() == 1,
            _ => false,
        })
    }

    /// Selects. `field` is the name of the field for the error message, as AWS writes it.
    pub fn evaluate(&self, field: &str, data: &Data<'_>) -> Result<Value, EvalError> {
        self.select(data).map_err(|NotFound(why)| match field {
            // Recorded: `Wait` has words of its own.
            "SecondsPath" | "TimestampPath" => {
                EvalError::runtime(format!("The {field} parameter does not reference an input value: {}", self.text))
            }
            _ => EvalError::runtime(format!("Invalid path '{}' : {why}", self.text)),
        })
    }

    /// Selects, with the reason in Jayway's words if there is nothing.
    pub(super) fn select(&self, data: &Data<'_>) -> Result<Value, NotFound> {
        evaluate::evaluate(&self.selectors, self.root_value(data)?)
    }

    /// Selects for a payload template: an indefinite path that leads nowhere is an empty array (recorded), an index
    /// behind the end of an array at the end of the path is null (the service does so; no recording shows it).
    pub(super) fn select_in_template(&self, data: &Data<'_>) -> Result<Value, NotFound> {
        let missing = match self.select(data) {
            Ok(value) => return Ok(value),
            Err(missing) => missing,
        };
        if !self.is_definite() {
            return if self.root_value(data).is_ok() { Ok(Value::Array(Vec::new())) } else { Err(missing) };
        }
        let Some((Selector::Indexes(_), before)) = self.selectors.split_last() else { return Err(missing) };
        match evaluate::evaluate(before, self.root_value(data)?) {
            Ok(Value::Array(_)) => Ok(Value::Null),
            _ => Err(missing),
        }
    }

    fn root_value<'a>(&self, data: &Data<'a>) -> Result<&'a Value, NotFound> {
        match &self.root {
            Root::Input => Ok(data.input),
            Root::Context => Ok(data.context),
            Root::Variable(name) => {
                data.variable(name).ok_or_else(|| NotFound(format!("The variable '${name}' has no value")))
            }
        }
    }

    /// The steps as names and indexes, if that is all they are.
    pub(super) fn reference_steps(&self) -> Option<Vec<Step<'_>>> {
        self.selectors
            .iter()
            .map(|selector| match selector {
                Selector::Names(names) if names.len() == 1 => Some(Step::Name(&names[0])),
                Selector::Indexes(indexes) if indexes.len() == 1 => usize::try_from(indexes[0]).ok().map(Step::Index),
                _ => None,
            })
            .collect()
    }
}

/// A step of a reference path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A member of an object.
    Name(&'a str),
    /// An item of an array.
    Index(usize),
}
