//! Refusals and faults of the engine.

use crate::store::{self, ExecutionRecord, LedgerRow};

/// A fault: not the caller's doing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed and did not come back in time.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// A journal or a definition that cannot be what this version wrote.
    #[error("an execution cannot go on")]
    Corrupt(#[from] asl::DecideError),
    /// A stored definition that does not parse any more.
    #[error("revision `{0}` of a state machine cannot be read back")]
    Revision(uuid::Uuid),
    /// Other nodes were faster, again and again.
    #[error("execution `{0}` is contended: {1} attempts were all stale")]
    Contended(uuid::Uuid, u32),
    /// The engine is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Why an execution was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The name is taken by an execution that ended or has another input.
    #[error("execution `{}` already exists", .0.arn)]
    AlreadyExists(Box<ExecutionRecord>),
    /// The machine is gone.
    #[error("the state machine does not exist")]
    MachineGone,
    /// The machine is being deleted.
    #[error("the state machine is being deleted")]
    MachineDeleting,
    /// A partition of an exclusive run is being made by another run.
    #[error("partition `{}` of `{}` is already being made by `{}`", .0.partition, .0.pipeline, .0.execution_arn)]
    PartitionBusy(Box<LedgerRow>),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Error),
}

/// Why a report on a task was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The text is no token.
    #[error("the task token is malformed")]
    InvalidToken,
    /// The task is over: done, timed out, stopped, or given to somebody else.
    #[error("the task does not exist any more")]
    TaskTimedOut,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Error),
}

impl From<store::Error> for StartError {
    fn from(error: store::Error) -> Self {
        Self::Fault(Error::Store(error))
    }
}

impl From<store::Error> for ReportError {
    fn from(error: store::Error) -> Self {
        Self::Fault(Error::Store(error))
    }
}
