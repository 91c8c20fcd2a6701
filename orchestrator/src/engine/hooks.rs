//! Where pipelines join: what stands beside an execution goes into its own commits.

use asl::Execution;

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
