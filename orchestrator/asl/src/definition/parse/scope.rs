//! A `States` map: the machine itself, a Parallel branch, a Map processor.

use indexmap::IndexMap;

use super::reader::Reader;
use super::{Draft, Node, Parser};
use crate::definition::ScopeId;
use crate::ids::StateName;

/// The longest name of a state, in characters. Source: `Name` in the Step Functions API.
const STATE_NAME_LENGTH_MAX: usize = 80;

impl Parser {
    /// Reads the scope that `reader` stands at and everything inside. `express`: whether it runs in an EXPRESS
    /// execution; `isolated`: whether it runs in an execution of its own.
    pub(super) fn scope(
        &mut self,
        mut reader: Reader<'_>,
        parent: Option<(ScopeId, StateName)>,
        express: bool,
        isolated: bool,
    ) -> ScopeId {
        let id = ScopeId(u32::try_from(self.scopes.len()).expect("a definition has at most 1 MiB"));
        reader.require(&["States", "StartAt"]);
        let start_at = reader.string("StartAt").map(str::to_owned);
        self.scopes.push(Draft {
            location: reader.location.clone(),
            start_at,
            parent,
            isolated,
            nodes: Vec::new(),
            states: IndexMap::new(),
        });
        let states = reader.value("States");
        let location = reader.at("States");
        // Unknown fields of the scope come before those of its states, as in the text's nesting.
        let probe = states.and_then(|value| reader.child(value, location.clone()));
        let empty = states.and_then(serde_json::Value::as_object).is_some_and(serde_json::Map::is_empty);
        if empty {
            reader.field_error("States", "At least one state is required");
        }
        reader.finish();
        let Some(entries) = probe.and(states).and_then(serde_json::Value::as_object) else { return id };
        for (name, value) in entries {
            let location = format!("{location}/{name}");
            self.check_name(name, &location);
            let node = self.state(id, name, value, location, express);
            self.scopes[id.0 as usize].nodes.push(node);
        }
        id
    }

    fn check_name(&self, name: &str, location: &str) {
        let length = name.chars().count();
        if length == 0 || length > STATE_NAME_LENGTH_MAX {
            let message = format!("State name must have 1 to {STATE_NAME_LENGTH_MAX} characters, but has {length}");
            self.findings.add("INVALID_STATE_NAME", location, message);
        }
    }
}

impl Node {
    /// A state of which nothing more is known.
    pub(super) fn unknown(name: &str, location: String) -> Self {
        Self { name: name.to_owned(), location, targets: Vec::new(), terminal: true, assigned: Default::default() }
    }
}
