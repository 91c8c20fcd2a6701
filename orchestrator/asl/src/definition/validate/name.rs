//! A state's name is unique in the whole machine, inner scopes included.

use std::collections::BTreeSet;

use super::error;
use crate::definition::Diagnostic;
use crate::definition::parse::Draft;

pub(super) fn findings(scopes: &[Draft]) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for node in scopes.iter().flat_map(|scope| &scope.nodes) {
        if !seen.insert(node.name.as_str()) {
            let message = format!("Duplicate State name: {}", node.name);
            found.push(error("DUPLICATE_STATE_NAME", Some(node.location.clone()), message));
        }
    }
    found
}
