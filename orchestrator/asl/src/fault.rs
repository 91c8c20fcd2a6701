//! A failure on its way: its name and cause, and which retriers and catchers are for it.

use crate::execution::{Failure, OpenState};
use crate::query::EvalError;

/// `States.Runtime`: data that cannot be processed. Never retried, never caught.
pub(crate) const RUNTIME: &str = "States.Runtime";
/// `States.Timeout`; the history shows a missed heartbeat by the same name.
pub(crate) const TIMEOUT: &str = "States.Timeout";
/// `States.HeartbeatTimeout`: what Retry and Catch may call a missed heartbeat.
pub(crate) const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
/// `States.DataLimitExceeded`: more bytes than a payload may have.
pub(crate) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

/// A failure on its way to whoever handles it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub failure: Failure,
    pub class: Class,
    /// Set where a JSONata expression failed and the history does not say so yet: its location.
    pub evaluation: Option<Option<String>>,
}

/// What Retry and Catch must know beyond the error's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Matched by its name.
    Named,
    /// A missed heartbeat, which goes by two names.
    Heartbeat,
    /// Nobody can handle it.
    Terminal,
}

impl Fault {
    /// A failure that is matched by its name.
    pub fn named(failure: Failure) -> Self {
        Self { failure: failure.clipped(), class: Class::Named, evaluation: None }
    }

    /// A failure that nobody can handle.
    pub fn terminal(failure: Failure) -> Self {
        Self { failure: failure.clipped(), class: Class::Terminal, evaluation: None }
    }

    /// An expression of `open` has no value.
    pub fn evaluation(open: &OpenState, jsonata: bool, error: EvalError) -> Self {
        let failure = Failure::new(error.error, format!("{}{}", prefix(open), error.cause)).clipped();
        Self { failure, class: Class::Named, evaluation: jsonata.then_some(error.location) }
    }
}

/// How AWS begins the cause of what goes wrong inside a state.
pub(crate) fn prefix(open: &OpenState) -> String {
    format!(
        "An error occurred while executing the state '{}' (entered at the event id #{}). ",
        open.name, open.entered_id
    )
}

/// What a result or output above the payload limit fails with.
pub(crate) fn too_large(whose: &str) -> Failure {
    Failure::new(
        DATA_LIMIT_EXCEEDED,
        format!(
            "The state/task '{whose}' returned a result with a size exceeding the maximum number of bytes service limit."
        ),
    )
}

/// Whether a retrier or catcher is for this failure. `branch`: a branch of the Parallel state itself failed.
pub(crate) fn matches(error_equals: &[String], fault: &Fault, branch: bool) -> bool {
    let name = fault.failure.error.as_deref();
    if fault.class == Class::Terminal || name == Some(RUNTIME) {
        return false;
    }
    let heartbeat = fault.class == Class::Heartbeat || name == Some(HEARTBEAT_TIMEOUT);
    error_equals.iter().any(|pattern| match pattern.as_str() {
        "States.ALL" => true,
        "States.TaskFailed" => name != Some(TIMEOUT) && !heartbeat,
        "States.BranchFailed" if branch => true,
        TIMEOUT => name == Some(TIMEOUT) || heartbeat,
        HEARTBEAT_TIMEOUT => heartbeat,
        pattern => name == Some(pattern),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_match_as_the_service_matches_them() {
        let heartbeat = Fault { class: Class::Heartbeat, ..Fault::named(Failure::named(TIMEOUT)) };
        let cases = [
            ("States.ALL", Fault::named(Failure::default()), true),
            ("States.TaskFailed", Fault::named(Failure::default()), true),
            ("States.TaskFailed", Fault::named(Failure::named("Own")), true),
            ("States.TaskFailed", Fault::named(Failure::named(TIMEOUT)), false),
            ("States.TaskFailed", heartbeat.clone(), false),
            ("States.Timeout", heartbeat.clone(), true),
            ("States.HeartbeatTimeout", heartbeat, true),
            ("States.HeartbeatTimeout", Fault::named(Failure::named(TIMEOUT)), false),
            ("States.ALL", Fault::named(Failure::named(TIMEOUT)), true),
            ("States.ALL", Fault::named(Failure::named(RUNTIME)), false),
            ("States.Runtime", Fault::named(Failure::named(RUNTIME)), false),
            ("States.ALL", Fault::named(Failure::named(DATA_LIMIT_EXCEEDED)), true),
            ("States.ALL", Fault::terminal(too_large("x")), false),
            ("Own", Fault::named(Failure::named("Own")), true),
            ("own", Fault::named(Failure::named("Own")), false),
            ("States.BranchFailed", Fault::named(Failure::named("Own")), false),
        ];
        for (pattern, fault, expected) in cases {
            assert_eq!(matches(&[pattern.to_owned()], &fault, false), expected, "{pattern}: {fault:?}");
        }
        assert!(matches(&["States.BranchFailed".to_owned()], &Fault::named(Failure::named("Own")), true));
    }
}
