//! Where pipelines join: what stands beside an execution goes into its own commits.

use asl::execution::EventKind;
use asl::{Event, Execution};

use crate::store::{CrawlTable, End, ExecutionRecord, LedgerChange, NewOutboxMessage, RevisionRecord};

/// Adds to the first and the last commit of an execution.
///
/// Called within a turn, possibly more than once for one execution (a stale turn decides again): implementations compute
/// and do nothing else.
pub trait Hooks: Send + Sync + 'static {
    /// The execution starts: may set `pipeline` and `partition` of its record.
    fn starting(&self, record: &mut ExecutionRecord) -> StartEffects;

    /// The execution ends.
    fn ending(&self, ending: &Ending<'_>) -> EndEffects;
}

/// What goes into the first commit.
#[derive(Debug, Default)]
pub struct StartEffects {
    /// Rows of the ledger.
    pub ledger: Vec<LedgerChange>,
}

/// What is known when an execution ends.
#[derive(Debug)]
pub struct Ending<'a> {
    /// Its row, as it was.
    pub record: &'a ExecutionRecord,
    /// What it ran on.
    pub revision: &'a RevisionRecord,
    /// How it ends.
    pub end: &'a End,
    /// What it was just before: open frames tell which state failed.
    pub execution: &'a Execution,
    /// The state that failed, when it ended by an error that a state raised.
    pub failed_state: Option<String>,
}

/// What goes into the last commit.
#[derive(Debug, Default)]
pub struct EndEffects {
    /// Rows of the ledger.
    pub ledger: Vec<LedgerChange>,
    /// Messages to deliver.
    pub outbox: Vec<NewOutboxMessage>,
    /// Tables of the local catalog.
    pub tables: Vec<CrawlTable>,
}

/// Adds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn starting(&self, _record: &mut ExecutionRecord) -> StartEffects {
        StartEffects::default()
    }

    fn ending(&self, _ending: &Ending<'_>) -> EndEffects {
        EndEffects::default()
    }
}

/// The state in which the last failure of these events happened; without one, that of the last event.
pub(super) fn failed_state(events: &[Event], before: &Execution) -> Option<String> {
    let failing = events.iter().rposition(|event| {
        matches!(
            event.kind,
            EventKind::TaskFailed { .. } | EventKind::TaskTimedOut { .. } | EventKind::EvaluationFailed { .. }
        )
    });
    // What was entered after the failure is where it was caught.
    let until = &events[..=failing.or(events.len().checked_sub(1))?];
    let frame = until.last()?.frame;
    let entered = until.iter().rev().find_map(|event| match &event.kind {
        EventKind::StateEntered { name, .. } if event.frame == frame => Some(name.to_string()),
        _ => None,
    });
    let open = || before.open_states().find(|open| open.id == frame).map(|open| open.state.name.to_string());
    entered.or_else(open)
}
