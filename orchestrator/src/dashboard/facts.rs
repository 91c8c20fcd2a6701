//! Everything the execution page is made of, gathered from the store once per request.

use std::collections::{HashMap, HashSet};

use asl::{TaskId, Timestamp};

use super::history::HistoryEvent;
use super::problem::Problem;
use crate::store::{ExecutionRecord, LogLine, ReportRecord, Result, Store, TaskRecord, WorkerRecord};

/// Lines of one task's log that a page shows.
pub const LOG_LINES_MAX: usize = 300;
/// Pages of a log that are read to find its end.
const LOG_PAGES_MAX: usize = 50;
/// Lines of one page.
const LOG_PAGE_LINES: u32 = 1_000;
/// A worker that was not seen for so long is gone.
pub const WORKER_GONE_SECONDS: i64 = 60;

/// What is known of an execution.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The store's clock.
    pub now: Timestamp,
    /// Its row.
    pub record: ExecutionRecord,
    /// The definition it runs on; empty if its revision is gone.
    pub definition: String,
    /// Its history from the first event on, internal events among the public ones.
    pub history: Vec<HistoryEvent>,
    /// Its open tasks.
    pub tasks: Vec<TaskRecord>,
    /// What its jobs reported.
    pub reports: Vec<ReportRecord>,
    /// The ends of the logs of some tasks.
    pub logs: HashMap<TaskId, Vec<LogLine>>,
    /// (queue, waiting, since) of all queues.
    pub backlog: Vec<(String, u64, Timestamp)>,
    /// Workers that are alive.
    pub workers: Vec<WorkerRecord>,
}

impl Facts {
    /// Gathers all but the logs.
    pub async fn gather(store: &dyn Store, record: ExecutionRecord) -> std::result::Result<Self, Problem> {
        let now = store.now().await?;
        let revision = store.revision(record.revision).await?;
        let loaded = store.load(record.id).await?;
        let open = record.status == crate::store::ExecutionStatus::Running;
        Ok(Self {
            now,
            definition: revision.map(|revision| revision.definition).unwrap_or_default(),
            history: loaded.map(|loaded| super::history::project(&loaded.events)).unwrap_or_default(),
            tasks: if open { store.tasks(record.id).await? } else { Vec::new() },
            reports: store.reports(record.id).await?,
            logs: HashMap::new(),
            backlog: if open { store.backlog().await? } else { Vec::new() },
            workers: if open { store.workers(now.plus_seconds(-WORKER_GONE_SECONDS)).await? } else { Vec::new() },
            record,
        })
    }

    /// Reads the ends of the logs of `tasks`.
    pub async fn read_logs(&mut self, store: &dyn Store, tasks: &HashSet<TaskId>) -> Result<()> {
        for task in tasks {
            let lines = log_end(store, &self.record, *task).await?;
            self.logs.insert(*task, lines);
        }
        Ok(())
    }
}

async fn log_end(store: &dyn Store, record: &ExecutionRecord, task: TaskId) -> Result<Vec<LogLine>> {
    let mut end: Vec<LogLine> = Vec::new();
    let mut after = 0;
    for _ in 0..LOG_PAGES_MAX {
        let page = store.log(record.id, Some(task), after, LOG_PAGE_LINES).await?;
        let full = page.len() as u32 == LOG_PAGE_LINES;
        after = page.last().map_or(after, |line| line.number);
        end.extend(page);
        let surplus = end.len().saturating_sub(LOG_LINES_MAX);
        end.drain(..surplus);
        if !full {
            break;
        }
    }
    Ok(end)
}
