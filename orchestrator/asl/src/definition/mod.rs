//! What a definition is once it has been read: plain values, every reference resolved.
//!
//! [`StateMachine::parse`] turns text into a [`StateMachine`] or into all findings at once; a machine that exists is valid.

mod parse;
mod resource;
mod retry;
mod state;
mod validate;
mod warning;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indexmap::IndexMap;

use crate::ids::StateName;
pub use parse::DEFINITION_SIZE_BYTES_MAX;
pub use retry::DELAY_MAX_SECONDS;
pub use state::{
    Catcher, Choice, DataFlow, Distributed, Fail, Jitter, Map, Next, Operand, Pattern, Resource, ResultPath, Retrier,
    Rule, Selection, State, StateKind, Task, Wait,
};

/// The language of a state's expressions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueryLanguage {
    /// Paths, payload templates and `States.*` functions.
    #[default]
    JsonPath,
    /// `{% … %}` expressions.
    Jsonata,
}

impl QueryLanguage {
    /// The language's name in a definition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }
}

/// A valid definition.
///
/// Nested scopes (Parallel branches, Map processors) stand in one list, so that a frame of an
/// execution refers to its scope by a number that follows from the text.
#[derive(Clone, Debug)]
pub struct StateMachine {
    /// `Comment`.
    pub comment: Option<String>,
    /// `QueryLanguage` of the machine.
    pub query_language: QueryLanguage,
    /// `TimeoutSeconds` of the whole execution.
    pub timeout_seconds: Option<u64>,
    /// Every `States` map in order of appearance; `scopes[0]` is the top level.
    pub scopes: Vec<Scope>,
}

/// Which `States` map of the machine: an index into [`StateMachine::scopes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ScopeId(pub u32);

impl ScopeId {
    /// The top level of every machine.
    pub const TOP: Self = Self(0);
}

/// One `States` map with its start.
#[derive(Clone, Debug)]
pub struct Scope {
    /// `StartAt`.
    pub start_at: StateName,
    /// The states in the order of the text.
    pub states: IndexMap<StateName, State>,
    /// The Parallel or Map state around this scope, `None` at the top.
    pub parent: Option<(ScopeId, StateName)>,
    /// Every variable that some state of this scope assigns.
    pub assigned: BTreeSet<String>,
}

impl StateMachine {
    /// The scope with this id.
    ///
    /// # Panics
    /// If the id is of another machine.
    pub fn scope(&self, id: ScopeId) -> &Scope {
        &self.scopes[id.0 as usize]
    }

    /// The state `name` of the scope `id`.
    pub fn state(&self, id: ScopeId, name: &str) -> Option<&State> {
        self.scope(id).states.get(name)
    }
}

/// Something wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it forbids the definition.
    pub severity: Severity,
    /// `SCHEMA_VALIDATION_FAILED`, `MISSING_TRANSITION_TARGET`, ...
    pub code: &'static str,
    /// What is wrong, in AWS's words where they are known.
    pub message: String,
    /// `/States/<name>/<field>`; `None` when the text is no JSON object at all.
    pub location: Option<String>,
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// Worth knowing.
    Warning,
}

/// As AWS writes it into `InvalidDefinition`: `<code>: <message> at <location>`, with `null` for no location.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.code, self.message, self.location.as_deref().unwrap_or("null"))
    }
}

impl StateMachine {
    /// Reads and validates a definition; `express` adds the rules of EXPRESS machines.
    ///
    /// The error holds every finding: first those of single states in the order of the text, then those of
    /// whole scopes (names, transitions, variables).
    pub fn parse(text: &str, express: bool) -> Result<Self, Vec<Diagnostic>> {
        parse::parse(text, express)
    }

    /// Reads one state as a machine of its own, for TestState: its targets need not exist.
    pub fn parse_state(text: &str) -> Result<Self, Vec<Diagnostic>> {
        parse::parse_state(text)
    }

    /// What looks unintended in a definition without forbidding it, in the order of the text.
    ///
    /// Empty for a text that is no JSON object: that is [`StateMachine::parse`]'s to refuse.
    pub fn warnings(text: &str) -> Vec<Diagnostic> {
        warning::warnings(text)
    }

    /// For each state that refers to variables, their names in order; states of inner scopes included.
    ///
    /// Source: `DescribeStateMachine.variableReferences`.
    pub fn variable_references(&self) -> BTreeMap<String, Vec<String>> {
        self.scopes
            .iter()
            .flat_map(|scope| scope.states.values())
            .filter(|state| !state.variables.is_empty())
            .map(|state| (state.name.to_string(), state.variables.iter().cloned().collect()))
            .collect()
    }
}
