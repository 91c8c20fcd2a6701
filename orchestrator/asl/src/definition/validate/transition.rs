//! Every target exists in its own scope, the machine can end, every state can be reached.
//!
//! Texts, order and locations as measured on AWS: `Missing 'Next' target` whatever the field is called, the missing
//! end without a location and only for the top level, and no word on reachability while there is no end.

use std::collections::{BTreeMap, BTreeSet};

use super::error;
use crate::definition::Diagnostic;
use crate::definition::parse::{Draft, Node};

const MISSING_TARGET: &str = "MISSING_TRANSITION_TARGET";

pub(super) fn findings(scopes: &[Draft], top_level_targets: bool) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, scope) in scopes.iter().enumerate() {
        let top = index == 0;
        if !top || top_level_targets {
            missing_targets(scope, &mut found);
        }
        if top && top_level_targets && !scope.nodes.is_empty() && !scope.nodes.iter().any(|node| node.terminal) {
            found.push(error("MISSING_END_STATE", None, "Workflow has no terminal state".to_owned()));
        } else {
            unreachable(scope, &mut found);
        }
    }
    found
}

fn missing_targets(scope: &Draft, found: &mut Vec<Diagnostic>) {
    let names: BTreeSet<&str> = scope.nodes.iter().map(|node| node.name.as_str()).collect();
    let start = scope.start_at.iter().map(|name| (name.as_str(), format!("{}/StartAt", scope.location)));
    let targets = scope.nodes.iter().flat_map(|node| &node.targets);
    let targets = targets.map(|(name, location)| (name.as_str(), location.clone()));
    // Without any state there is nothing to point at, and that has its own finding.
    for (name, location) in start.chain(targets).filter(|(name, _)| !names.is_empty() && !names.contains(name)) {
        found.push(error(MISSING_TARGET, Some(location), format!("Missing 'Next' target: {name}")));
    }
}

/// Reports states that no walk from `StartAt` reaches. Of several in a row only the first is named, as AWS does:
/// the others follow from it.
fn unreachable(scope: &Draft, found: &mut Vec<Diagnostic>) {
    let Some(start_at) = &scope.start_at else { return };
    let nodes: BTreeMap<&str, &Node> = scope.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let mut seen = BTreeSet::new();
    walk(&nodes, start_at, &mut seen);
    let is_target = |name: &str| {
        let others = scope.nodes.iter().filter(|other| other.name != name);
        others.flat_map(|other| &other.targets).any(|(target, _)| target == name)
    };
    let mut lost = BTreeSet::new();
    // First those that nothing leads to, then the rings that only lead to themselves.
    let (in_rings, roots): (Vec<&Node>, Vec<&Node>) = scope.nodes.iter().partition(|node| is_target(&node.name));
    for node in roots.into_iter().chain(in_rings) {
        if !seen.contains(node.name.as_str()) {
            lost.insert(node.name.as_str());
            walk(&nodes, &node.name, &mut seen);
        }
    }
    for node in scope.nodes.iter().filter(|node| lost.contains(node.name.as_str())) {
        let message = format!("State \"{}\" is not reachable.", node.name);
        found.push(error(MISSING_TARGET, Some(node.location.clone()), message));
    }
}

/// Adds every state that can be reached from `start` to `seen`.
fn walk<'d>(nodes: &BTreeMap<&'d str, &'d Node>, start: &str, seen: &mut BTreeSet<&'d str>) {
    let mut waiting: Vec<&str> = vec![start];
    while let Some(name) = waiting.pop() {
        if let Some((name, node)) = nodes.get_key_value(name)
            && seen.insert(name)
        {
            waiting.extend(node.targets.iter().map(|(target, _)| target.as_str()));
        }
    }
}
