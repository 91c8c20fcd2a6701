//! Pipelines: what stands beside a state machine so that data people can live with it.
//!
//! A pipeline is a folder entry `<name>.asl.json` with its sheet `<name>.toml`. The machine is pure ASL; the sheet says
//! what a partition is, what a run's input looks like and who is told when a run fails. A run started with plain
//! `StartExecution` counts like any other: the ledger looks at the machine, not at who started it.
//!
//! | file | topic |
//! |---|---|
//! | `sheet` | the sheet: parse, check |
//! | `template` | the input of one run from the sheet's template |
//! | `registry` | the pipelines this node knows |
//! | `folder` | applies a folder of machines and sheets, at start and on change |
//! | `partition` | which partitions an input names, and what became of each |
//! | `ledger` | the engine's hooks: ledger rows and alerts in an execution's own commits |
//! | `queue` | runs that wait for another run of their partition |
//! | `result` | what jobs wrote and what their quality checks came to, for pages and REST |
//! | `write` | when each table was written last, by which run, and what was found out about it |
//! | `report` | what jobs say of themselves: figures and quality into the ledger |
//! | `action` | run and stop, as REST and the dashboard ask for them |

mod action;
mod folder;
mod ledger;
mod partition;
pub mod queue;
mod registry;
mod report;
mod result;
mod sheet;
mod template;
mod write;

pub use action::{ActionError, Actions, RunAnswer, RunRequest, Which};
pub use folder::{Folder, FolderError};
pub use ledger::Ledger;
pub use partition::{Day, days_between};
pub use registry::{Pipeline, Problem, Registry};
pub use report::{JobReport, ReportSink, keep_report};
pub use result::{Check, Results, Tally, Verdict, Warning, Written, folder_of};
pub use sheet::{
    Bindings, Cadence, Calendar, Concurrency, Freshness, PartitionRule, Schedule, Sheet, SheetError, SheetTable,
};
pub use write::{TableWrite, last_writes};
