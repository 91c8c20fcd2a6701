//! What grids and lists know of a run: how its states ended. Of runs that have ended it is worked out once and kept.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::failure::explain;
use super::mark::Mark;
use super::moment::duration;
use super::visit::{Visit, Visits};
use super::{history, why};
use crate::store::{ExecutionId, ExecutionRecord, ExecutionStatus, ReportRecord, Result, Store};

/// Runs that are kept.
const RUNS_MAX: usize = 8_192;

/// How the states of a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// By partition (empty for what belongs to none) and state.
    pub cells: HashMap<(String, String), Cell>,
    /// The state that failed the run.
    pub culprit: Option<String>,
    /// The code and the words of its failure.
    pub failure: Option<(String, String)>,
}

/// How one state of a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How it stands.
    pub mark: Mark,
    /// `Transform 2025-09-05: failed, 31 s, 1 attempt`.
    pub title: String,
}

impl Run {
    /// The cell of a state for a partition: its own, else that of the whole run.
    pub fn cell(&self, partition: &str, state: &str) -> Option<&Cell> {
        let of = |partition: &str| self.cells.get(&(partition.to_owned(), state.to_owned()));
        of(partition).or_else(|| of(""))
    }

    /// From a history and the reports of its jobs.
    pub fn read(record: &ExecutionRecord, visits: &Visits, reports: &[ReportRecord]) -> Self {
        let mut run = Self::default();
        for visit in &visits.list {
            let partition = visits.partition_of(visit).unwrap_or_default();
            let mark = if is_skipped(visit, reports) { Mark::Skipped } else { visit.mark };
            let took = visit.ended_at.map(|end| format!(", {}", duration(end.millis() - visit.entered_at.millis())));
            let attempts = match visit.attempts.len() {
                0 | 1 => String::new(),
                several => format!(", {several} attempts"),
            };
            let error = visit.error.as_deref().filter(|_| mark.is_bad()).map(|error| {
                let explained = explain(Some(error), visit.cause.as_deref());
                format!(": {}", explained.code)
            });
            let title = format!(
                "{}{} · {}{}{attempts}{}",
                visit.state,
                if partition.is_empty() { String::new() } else { format!(" {partition}") },
                mark.word(),
                took.unwrap_or_default(),
                error.unwrap_or_default()
            );
            run.cells.insert((partition, visit.state.clone()), Cell { mark, title });
        }
        if matches!(record.status, ExecutionStatus::Failed | ExecutionStatus::TimedOut) {
            let culprit = why::culprit_of(record, visits).map(|index| &visits.list[index]);
            let error = culprit.and_then(|visit| visit.error.clone()).or_else(|| record.error.clone());
            let cause = culprit.and_then(|visit| visit.cause.clone()).or_else(|| record.cause.clone());
            let explained = explain(error.as_deref(), cause.as_deref());
            run.culprit = culprit.map(|visit| visit.state.clone());
            run.failure = Some((explained.code, explained.message));
        }
        run
    }
}

fn is_skipped(visit: &Visit, reports: &[ReportRecord]) -> bool {
    let task = visit.attempts.last().and_then(|attempt| attempt.task);
    visit.mark == Mark::Succeeded
        && reports.iter().any(|report| {
            Some(report.task) == task
                && report.report.get("status").and_then(|status| status.as_str()) == Some("SKIPPED")
        })
}

/// Runs that have ended, by their key.
#[derive(Debug, Default)]
pub struct Runs(Mutex<HashMap<ExecutionId, Arc<Run>>>);

impl Runs {
    /// The run of an execution.
    pub async fn of(&self, store: &dyn Store, record: &ExecutionRecord) -> Result<Arc<Run>> {
        if let Some(run) = self.0.lock().get(&record.id) {
            return Ok(run.clone());
        }
        let events = store.load(record.id).await?.map(|loaded| loaded.events).unwrap_or_default();
        let reports = store.reports(record.id).await?;
        let run = Arc::new(Run::read(record, &Visits::read(&history::project(&events)), &reports));
        if record.status != ExecutionStatus::Running {
            let mut runs = self.0.lock();
            if runs.len() >= RUNS_MAX {
                runs.clear();
            }
            runs.insert(record.id, run.clone());
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    #[test]
    fn cells_are_by_partition_and_state() {
        let facts = sample::failed();
        let run = Run::read(&facts.record, &Visits::read(&facts.history), &facts.reports);
        assert_eq!(run.culprit.as_deref(), Some("Transform"));
        assert_eq!(run.failure.as_ref().unwrap().0, "DQ_FAILED");
        let cell = run.cell("2025-09-05", "Transform").unwrap();
        assert_eq!((cell.mark, cell.title.as_str()), (Mark::Failed, "Transform 2025-09-05 · failed, 31 s: DQ_FAILED"));
        assert!(run.cell("2025-09-05", "Compaction").unwrap().title.contains("2 attempts"));
        assert_eq!(
            run.cell("2025-09-05", "Notify").unwrap().mark,
            Mark::Succeeded,
            "what is outside of the days counts for all"
        );
        assert_eq!(run.cell("2025-09-04", "Transform"), None);
    }

    #[test]
    fn a_job_that_skipped_is_marked_so() {
        let mut facts = sample::failed();
        let visits = Visits::read(&facts.history);
        let task = visits.list[visits.last_of("Guard").unwrap()].attempts[0].task.unwrap();
        facts.reports[0].task = task;
        facts.reports[0].report = serde_json::json!({ "status": "SKIPPED" });
        let run = Run::read(&facts.record, &visits, &facts.reports);
        assert_eq!(run.cell("2025-09-05", "Guard").unwrap().mark, Mark::Skipped);
    }
}
