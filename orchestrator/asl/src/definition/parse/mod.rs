//! Text → machine. One file per family of states; the rules of whole scopes stand in [`super::validate`].

mod choice;
mod distributed;
mod expression;
mod failure;
pub(super) mod json;
mod map;
mod reader;
mod scope;
mod state;
mod task;
mod terminal;
mod wait;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::{Value, json};

pub use json::DEFINITION_SIZE_BYTES_MAX;
use reader::{Findings, Reader, SCHEMA};

use super::{Diagnostic, QueryLanguage, Scope, ScopeId, State, StateMachine, validate};
use crate::ids::StateName;

/// The longest `TimeoutSeconds` and its like. Source: AWS, Task state.
const SECONDS_MAX: u64 = 99_999_999;

/// The name that a state has in a machine made of it alone.
const SINGLE_STATE_NAME: &str = "State";

/// A state as the rules of its scope see it; it exists even where the state itself could not be read.
pub(super) struct Node {
    pub name: String,
    pub location: String,
    pub targets: Vec<(String, String)>,
    /// Whether the scope can end here; true for states that could not be read, to accuse no other for it.
    pub terminal: bool,
    /// Variables it assigns, with the place that does.
    pub assigned: BTreeMap<String, String>,
}

/// A scope while the definition is read.
pub(super) struct Draft {
    pub location: String,
    pub start_at: Option<String>,
    pub parent: Option<(ScopeId, StateName)>,
    /// Children of a distributed Map see no variables of their parent.
    pub isolated: bool,
    pub nodes: Vec<Node>,
    pub states: IndexMap<StateName, State>,
}

/// What the parts of a definition share while it is read.
pub(super) struct Parser {
    findings: Findings,
    /// The machine's language, which inner states inherit whatever the states around them say.
    language: QueryLanguage,
    scopes: Vec<Draft>,
    /// Labels of distributed Maps, unique in the definition.
    labels: BTreeSet<String>,
}

/// Reads and validates a definition: [`StateMachine::parse`].
pub(super) fn parse(text: &str, express: bool) -> Result<StateMachine, Vec<Diagnostic>> {
    let (value, duplicates) = json::read(text).map_err(|finding| vec![finding])?;
    let findings = Findings::default();
    for duplicate in duplicates.iter().filter(|duplicate| duplicate.parent.ends_with("/States")) {
        let location = format!("{}/{}", duplicate.parent, duplicate.key);
        findings.add("DUPLICATE_STATE_NAME", &location, format!("Duplicate State name: {}", duplicate.key));
    }
    machine(&value, express, findings, true)
}

/// Reads one state: [`StateMachine::parse_state`].
pub(super) fn parse_state(text: &str) -> Result<StateMachine, Vec<Diagnostic>> {
    let (value, _) = json::read(text).map_err(|finding| vec![finding])?;
    let machine_text = json!({ "StartAt": SINGLE_STATE_NAME, "States": { SINGLE_STATE_NAME: value } });
    machine(&machine_text, false, Findings::default(), false)
}

/// `transitions`: whether the targets of the top level must exist.
fn machine(
    value: &Value,
    express: bool,
    findings: Findings,
    transitions: bool,
) -> Result<StateMachine, Vec<Diagnostic>> {
    let mut parser = Parser {
        findings: findings.clone(),
        language: QueryLanguage::JsonPath,
        scopes: Vec::new(),
        labels: BTreeSet::new(),
    };
    let Some(mut reader) = Reader::new(value, String::new(), QueryLanguage::JsonPath, &findings) else {
        return Err(findings.take());
    };
    reader.word("Version", &["1.0"]);
    let timeout_seconds = reader.integer("TimeoutSeconds", 1..=SECONDS_MAX);
    parser.language = reader.query_language(QueryLanguage::JsonPath);
    let comment = value.get("Comment").and_then(Value::as_str).map(str::to_owned);
    parser.scope(reader, None, express, false);
    for finding in validate::findings(&parser.scopes, transitions) {
        findings.push(finding);
    }
    let found = findings.take();
    if !found.is_empty() {
        return Err(found);
    }
    let scopes = parser.scopes.into_iter().map(Draft::finish).collect();
    Ok(StateMachine { comment, query_language: parser.language, timeout_seconds, scopes })
}

impl Draft {
    /// The scope; only called when nothing was found wrong.
    fn finish(self) -> Scope {
        let assigned = self.nodes.iter().flat_map(|node| node.assigned.keys().cloned()).collect();
        let start_at = self.start_at.expect("a missing StartAt is a finding").into();
        Scope { start_at, states: self.states, parent: self.parent, assigned }
    }
}

impl Reader<'_> {
    /// `QueryLanguage` of the machine or a state; the language in effect becomes the reader's.
    ///
    /// Anything but the exact `JSONPath` counts as JSONata, as measured on AWS; other spellings are findings.
    fn query_language(&mut self, inherited: QueryLanguage) -> QueryLanguage {
        let field = "QueryLanguage";
        let written = self.peek(field);
        self.language = match written.map(Value::as_str) {
            None => inherited,
            Some(Some("JSONPath")) => QueryLanguage::JsonPath,
            Some(_) => QueryLanguage::Jsonata,
        };
        self.word(field, &[QueryLanguage::JsonPath.as_str(), QueryLanguage::Jsonata.as_str()]);
        self.language
    }
}
