//! What a definition is once it has been read: plain values, every reference resolved.
//!
//! [`parse`] turns text into a [`StateMachine`] or into all findings at once; a machine that exists is valid.

mod state;

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::ids::StateName;
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

impl StateMachine {
    /// Reads and validates a definition; `express` adds the rules of EXPRESS machines.
    ///
    /// The error holds every finding, in the order of the text.
    pub fn parse(_text: &str, _express: bool) -> Result<Self, Vec<Diagnostic>> {
        unimplemented!()
    }
}
