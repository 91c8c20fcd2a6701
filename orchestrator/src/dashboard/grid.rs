//! The grid of a pipeline: partitions as columns, newest right; the run and its states as rows.

use std::collections::HashMap;
use std::sync::Arc;

use super::mark::Mark;
use super::moment::count;
use super::page::{encode, execution_path};
use super::runs::Run;
use crate::store::{ExecutionId, LedgerRow, Outcome};

/// Height of the sparkline, pixels.
const SPARK_PX: f64 = 18.0;

/// What the page draws.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Months over the columns: text and how many columns.
    pub months: Vec<(String, usize)>,
    /// The columns.
    pub days: Vec<Day>,
    /// The rows.
    pub rows: Vec<GridRow>,
    /// The rows written, as bars.
    pub spark: Vec<Spark>,
    /// The greatest number of rows.
    pub rows_max: String,
}

/// A column's head.
#[derive(Clone, Debug)]
pub struct Day {
    /// `05`.
    pub short: String,
    /// The partition.
    pub partition: String,
}

/// A row.
#[derive(Clone, Debug)]
pub struct GridRow {
    /// `run` or the state's name.
    pub label: String,
    /// One cell for each column.
    pub cells: Vec<Option<GridCell>>,
}

/// A cell.
#[derive(Clone, Debug)]
pub struct GridCell {
    /// How it stands.
    pub mark: Mark,
    /// The execution at that state.
    pub href: String,
    /// Duration, attempts, reason.
    pub title: String,
}

/// A bar of the sparkline.
#[derive(Clone, Debug)]
pub struct Spark {
    /// Pixels from the top.
    pub y: f64,
    /// Pixels.
    pub height: f64,
    /// On hover.
    pub title: String,
}

impl Grid {
    /// The grid of a ledger; `None` if that is empty.
    pub fn new(ledger: &[LedgerRow], runs: &HashMap<ExecutionId, Arc<Run>>, states: &[String]) -> Option<Self> {
        if ledger.is_empty() {
            return None;
        }
        let mut months: Vec<(String, usize)> = Vec::new();
        let mut days = Vec::new();
        for row in ledger {
            // A partition that is no date is its own head.
            let (month, short) = match (row.partition.get(..7), row.partition.get(8..10)) {
                (Some(month), Some(day)) if row.partition.len() == 10 => (month.to_owned(), day.to_owned()),
                _ => (String::new(), row.partition.clone()),
            };
            match months.last_mut() {
                Some((known, columns)) if *known == month => *columns += 1,
                _ => months.push((month, 1)),
            }
            days.push(Day { short, partition: row.partition.clone() });
        }
        let mut rows =
            vec![GridRow { label: "run".to_owned(), cells: ledger.iter().map(|row| Some(whole(row))).collect() }];
        rows.extend(states.iter().map(|state| GridRow {
            label: state.clone(),
            cells: ledger.iter().map(|row| cell(row, runs.get(&row.execution)?, state)).collect(),
        }));
        // States that no run shown has reached would only be white.
        rows.retain(|row| row.cells.iter().any(Option::is_some));
        let most = ledger.iter().filter_map(|row| row.rows).max().unwrap_or(0).max(1);
        let spark = ledger
            .iter()
            .map(|row| {
                let rows = row.rows.unwrap_or(0);
                let height = (rows as f64 / most as f64 * SPARK_PX).max(if rows > 0 { 1.0 } else { 0.0 });
                Spark { y: SPARK_PX - height, height, title: format!("{}: {} rows", row.partition, count(rows)) }
            })
            .collect();
        Some(Self { months, days, rows, spark, rows_max: count(most) })
    }
}

fn whole(row: &LedgerRow) -> GridCell {
    let mark = Mark::from(row.outcome);
    let took = super::pipeline_row::length(row).map(|length| format!(", {}", super::moment::duration(length)));
    let rows = row.rows.map(|rows| format!(", {} rows", count(rows)));
    let reason = row.reason.as_deref().map(|reason| format!(": {reason}"));
    let queued = row.queued.as_ref().map(|_| ", another run waits for its end").filter(|_| !is_waiting(row));
    GridCell {
        mark,
        href: execution_path(&row.execution_arn),
        title: format!(
            "{} · {}{}{}{}{}",
            row.partition,
            mark.word(),
            took.unwrap_or_default(),
            rows.unwrap_or_default(),
            reason.unwrap_or_default(),
            queued.unwrap_or_default(),
        ),
    }
}

/// Whether nobody works on the partition yet: its run is about to begin.
fn is_waiting(row: &LedgerRow) -> bool {
    row.outcome == Outcome::Queued
}

fn cell(row: &LedgerRow, run: &Run, state: &str) -> Option<GridCell> {
    let cell = run.cell(&row.partition, state)?;
    let href = format!("{}?state={}", execution_path(&row.execution_arn), encode(state));
    Some(GridCell { mark: cell.mark, href, title: cell.title.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::pipeline_row::tests::row;
    use crate::dashboard::sample;
    use crate::dashboard::visit::Visits;
    use crate::store::QueuedRun;

    #[test]
    fn columns_are_days_and_rows_are_states() {
        let facts = sample::failed();
        let ledger = [row("2025-08-31", Outcome::Succeeded, 40), row("2025-09-05", Outcome::Failed, 45)];
        let run = Arc::new(Run::read(&facts.record, &Visits::read(&facts.history), &[]));
        let runs = HashMap::from([(ledger[1].execution, run)]);
        let states = ["Preflight", "Transform", "Indicators"].map(str::to_owned);
        let grid = Grid::new(&ledger, &runs, &states).unwrap();
        assert_eq!(grid.months, [("2025-08".to_owned(), 1), ("2025-09".to_owned(), 1)]);
        assert_eq!(grid.days.iter().map(|day| day.short.as_str()).collect::<Vec<_>>(), ["31", "05"]);
        let labels: Vec<&str> = grid.rows.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["run", "Preflight", "Transform"], "Indicators was never reached");
        let failed = grid.rows[2].cells[1].as_ref().unwrap();
        assert_eq!(failed.mark, Mark::Failed);
        assert!(failed.href.ends_with("?state=Transform"), "{}", failed.href);
        assert!(grid.rows[2].cells[0].is_none());
        assert_eq!((grid.spark[0].height, grid.spark[1].height), (SPARK_PX, 0.0));
    }

    #[test]
    fn a_run_that_waits_is_told_of() {
        let mut busy = row("2025-09-05", Outcome::Running, 0);
        busy.queued = Some(Box::new(QueuedRun {
            execution: uuid::Uuid::nil(),
            execution_arn: sample::arn("next"),
            name: "next".to_owned(),
            state_machine_arn: "arn".to_owned(),
            input: "{}".to_owned(),
            trigger: "rest".to_owned(),
            requested_at: busy.started_at,
        }));
        let title = |row: &LedgerRow| {
            let grid = Grid::new(std::slice::from_ref(row), &HashMap::new(), &[]).unwrap();
            grid.rows[0].cells[0].as_ref().unwrap().title.clone()
        };
        assert!(title(&busy).contains("another run waits"), "{}", title(&busy));
        busy.outcome = Outcome::Queued;
        assert!(!title(&busy).contains("another run"), "{}", title(&busy));
    }

    #[test]
    fn an_empty_ledger_has_no_grid() {
        assert!(Grid::new(&[], &HashMap::new(), &[]).is_none());
    }
}
