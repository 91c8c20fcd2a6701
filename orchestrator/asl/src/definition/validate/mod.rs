//! Rules that need a whole scope, or all of them: targets, reachability, names, variables.

mod name;
mod transition;
mod variable;

use super::parse::Draft;
use super::{Diagnostic, Severity};

/// What is wrong with the scopes of a machine. `transitions`: whether the targets of the top level must exist.
pub(super) fn findings(scopes: &[Draft], transitions: bool) -> Vec<Diagnostic> {
    let mut found = name::findings(scopes);
    found.extend(transition::findings(scopes, transitions));
    found.extend(variable::findings(scopes));
    found
}

fn error(code: &'static str, location: Option<String>, message: String) -> Diagnostic {
    Diagnostic { severity: Severity::Error, code, message, location }
}
