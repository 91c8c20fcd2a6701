//! What a store gives back: plain values, one per thing that is kept. One file per thing.

mod catalog;
mod execution;
mod ledger;
mod machine;
mod outbox;
mod task;

pub use catalog::{CrawlTable, PipelineRecord, WorkerRecord};
pub use execution::{ExecutionFilter, ExecutionRecord, ExecutionStatus, HistoryQuery, Loaded, Recent, SnapshotRecord};
pub use ledger::{LedgerRow, Outcome, QueuedRun};
pub use machine::{ActivityRecord, RevisionRecord, StateMachineRecord, StateMachineStatus, StateMachineType};
pub use outbox::{Delivery, OutboxMessage, OutboxSettlement};
pub use task::{DueTimer, LogLine, ReportRecord, TaskRecord, TaskStatus};

/// A page of a list that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What the page before gave as [`Paged::next`].
    pub token: Option<String>,
    /// How many items at most; 0 is 100.
    pub limit: u32,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Asks for the next page; `None` on the last.
    pub next: Option<String>,
}
