//! Values with expressions in them: payload templates (JSONPath) and JSON with `{% … %}` (JSONata).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Data, EvalError, Expression, Finding, jsonata};
use crate::definition::QueryLanguage;

/// A payload template (JSONPath) or a JSON value with expressions in its strings (JSONata).
#[derive(Clone, Debug)]
pub struct Template {
    language: QueryLanguage,
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    /// Nothing in it is evaluated.
    Literal(Value),
    Array(Vec<Node>),
    /// Keys without `.$`.
    Object(Vec<(String, Node)>),
    Expression(Expression),
}

impl Template {
    /// Reads a template; all findings, not just the first.
    pub fn parse(value: &Value, language: QueryLanguage) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let root = match language {
            QueryLanguage::JsonPath => payload(value, "", &mut findings),
            QueryLanguage::Jsonata => json(value, "", &mut findings),
        };
        if findings.is_empty() { Ok(Self { language, root }) } else { Err(findings) }
    }

    /// Names of the variables it refers to.
    pub fn variables(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.root.visit(&mut |expression| expression.collect_variables(&mut names));
        names
    }

    /// Names of the fields of `$states` that its expressions use.
    pub fn states_fields(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.root.visit(&mut |expression| names.extend(expression.states_fields()));
        names
    }

    /// The keys of the top-level object without `.$`: the variables that an `Assign` sets.
    pub fn keys(&self) -> Vec<String> {
        match &self.root {
            Node::Object(members) => members.iter().map(|(key, _)| key.clone()).collect(),
            Node::Literal(Value::Object(members)) => members.keys().cloned().collect(),
            Node::Literal(_) | Node::Array(_) | Node::Expression(_) => Vec::new(),
        }
    }

    /// The value. `field` is the field's name (`Parameters`, `Output`, ...), from which messages and locations are made.
    pub fn evaluate(&self, field: &str, data: &Data<'_>) -> Result<Value, EvalError> {
        self.value(&self.root, field.to_owned(), data)
    }

    fn value(&self, node: &Node, place: String, data: &Data<'_>) -> Result<Value, EvalError> {
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Expression(expression) => expression.evaluate(&place, data),
            Node::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(at, item)| self.value(item, format!("{place}[{at}]"), data)).collect()
            }
            Node::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (key, member) in members {
                    let value = match (member, self.language) {
                        // The message names the key alone, whatever stands in it.
                        (Node::Expression(expression), QueryLanguage::JsonPath) => {
                            expression.evaluate(&format!("{key}.$"), data)?
                        }
                        _ => self.value(member, format!("{place}/{key}"), data)?,
                    };
                    object.insert(key.clone(), value);
                }
                Ok(Value::Object(object))
            }
        }
    }
}

impl Node {
    fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    fn visit<'a>(&'a self, seen: &mut impl FnMut(&'a Expression)) {
        match self {
            Self::Literal(_) => {}
            Self::Array(items) => items.iter().for_each(|item| item.visit(seen)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.visit(seen)),
            Self::Expression(expression) => seen(expression),
        }
    }

    fn array(value: &Value, items: Vec<Self>) -> Self {
        if items.iter().all(Self::is_literal) { Self::Literal(value.clone()) } else { Self::Array(items) }
    }

    fn object(value: &Value, members: Vec<(String, Self)>) -> Self {
        match members.iter().all(|(_, member)| member.is_literal()) {
            true => Self::Literal(value.clone()),
            false => Self::Object(members),
        }
    }
}

/// Reads a payload template: keys that end in `.$` have a path or a call as value.
fn payload(value: &Value, place: &str, findings: &mut Vec<Finding>) -> Node {
    match value {
        Value::Array(items) => {
            let nodes = items.iter().enumerate().map(|(at, item)| payload(item, &format!("{place}[{at}]"), findings));
            let nodes = nodes.collect();
            Node::array(value, nodes)
        }
        Value::Object(members) => {
            let mut nodes = Vec::with_capacity(members.len());
            for (key, member) in members {
                let Some(name) = key.strip_suffix(".$") else {
                    nodes.push((key.clone(), payload(member, &format!("{place}/{key}"), findings)));
                    continue;
                };
                if members.contains_key(name) {
                    findings.push(Finding {
                        location: place.to_owned(),
                        message: format!("The fields '{name}' and '{key}' cannot both be present"),
                    });
                }
                match member.as_str().map(Expression::path_or_intrinsic) {
                    Some(Ok(expression)) => nodes.push((name.to_owned(), Node::Expression(expression))),
                    // Recorded: the location is the object, the field is named in the message.
                    Some(Err(_)) | None => findings.push(Finding {
                        location: place.to_owned(),
                        message: format!(
                            "The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
                        ),
                    }),
                }
            }
            Node::object(value, nodes)
        }
        literal => Node::Literal(literal.clone()),
    }
}

/// Reads JSON in which a string `{% … %}` is an expression.
fn json(value: &Value, place: &str, findings: &mut Vec<Finding>) -> Node {
    match value {
        Value::Array(items) => {
            let nodes = items.iter().enumerate().map(|(at, item)| json(item, &format!("{place}[{at}]"), findings));
            let nodes = nodes.collect();
            Node::array(value, nodes)
        }
        Value::Object(members) => {
            let nodes = members
                .iter()
                .map(|(key, member)| (key.clone(), json(member, &format!("{place}/{key}"), findings)))
                .collect();
            Node::object(value, nodes)
        }
        Value::String(text) => match jsonata::delimited(text) {
            Ok(None) => Node::Literal(value.clone()),
            Ok(Some(inner)) => match Expression::jsonata(inner) {
                Ok(expression) => Node::Expression(expression),
                Err(message) => {
                    findings.push(Finding { location: place.to_owned(), message });
                    Node::Literal(Value::Null)
                }
            },
            Err(message) => {
                findings.push(Finding { location: place.to_owned(), message });
                Node::Literal(Value::Null)
            }
        },
        literal => Node::Literal(literal.clone()),
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
