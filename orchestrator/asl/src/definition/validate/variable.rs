//! An inner scope sees the variables of the scopes around it, so it must not assign a name that one of them assigns.

use std::collections::BTreeSet;

use super::error;
use crate::definition::Diagnostic;
use crate::definition::parse::Draft;

pub(super) fn findings(scopes: &[Draft]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for scope in scopes {
        let outer = assigned_around(scopes, scope);
        for node in &scope.nodes {
            for (name, location) in node.assigned.iter().filter(|(name, _)| outer.contains(name.as_str())) {
                let message = format!("Variable '{name}' is assigned in an outer scope; choose another name here");
                found.push(error("SCHEMA_VALIDATION_FAILED", Some(location.clone()), message));
            }
        }
    }
    found
}

/// The variables of all scopes around `scope`, up to a distributed Map, whose children see none.
fn assigned_around<'d>(scopes: &'d [Draft], scope: &'d Draft) -> BTreeSet<&'d str> {
    let mut names = BTreeSet::new();
    let mut inner = scope;
    while let Some((outer, _)) = inner.parent.as_ref().filter(|_| !inner.isolated) {
        inner = &scopes[outer.0 as usize];
        names.extend(inner.nodes.iter().flat_map(|node| node.assigned.keys().map(String::as_str)));
    }
    names
}
