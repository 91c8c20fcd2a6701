//! A pipeline as one row of a list: its last partitions, until when it is in, what runs, how long it takes.

use asl::Timestamp;
use chrono::{Datelike, Weekday};

use super::mark::Mark;
use super::moment::duration;
use super::page::{execution_path, pipeline_path};
use super::sheet::SheetView;
use crate::store::{LedgerRow, Outcome, PipelineRecord};

/// Partitions of the strip.
pub const STRIP_MAX: u32 = 30;

/// The row.
#[derive(Clone, Debug)]
pub struct PipelineRow {
    /// Its name.
    pub name: String,
    /// Its page.
    pub href: String,
    /// `description` of its sheet.
    pub description: String,
    /// Its last partitions, oldest first.
    pub strip: Vec<StripCell>,
    /// The newest partition that is in, and how many before it are not.
    pub in_until: Option<(String, usize)>,
    /// The schedule, in its sheet's words.
    pub schedule: String,
    /// Partitions that run now.
    pub running: usize,
    /// The median duration of those that succeeded.
    pub p50: Option<String>,
    /// The newest partition that is failed: its name and why.
    pub failed: Option<(String, String)>,
    /// The day to run first, where none was made yet.
    pub first: Option<String>,
}

/// One partition of the strip.
#[derive(Clone, Debug)]
pub struct StripCell {
    /// How it stands.
    pub mark: Mark,
    /// Its execution.
    pub href: String,
    /// `2025-09-05: failed, DQ_FAILED`.
    pub title: String,
}

impl PipelineRow {
    /// The row of a pipeline with the newest rows of its ledger, ascending.
    pub fn new(record: &PipelineRecord, ledger: &[LedgerRow], now: Timestamp) -> Self {
        let sheet = SheetView::read(&record.sheet);
        Self {
            name: record.name.clone(),
            href: pipeline_path(&record.name),
            description: sheet.description.unwrap_or_default(),
            strip: ledger.iter().map(strip_cell).collect(),
            in_until: in_until(ledger),
            schedule: sheet.schedule.unwrap_or_else(|| "—".to_owned()),
            running: ledger.iter().filter(|row| row.outcome == Outcome::Running).count(),
            p50: median(ledger).map(duration),
            failed: newest_failed(ledger).map(|row| (row.partition.clone(), row.reason.clone().unwrap_or_default())),
            first: ledger.is_empty().then(|| last_day(now, sheet.weekdays)).flatten(),
        }
    }
}

/// The newest failed partition; one that only never had its turn says nothing of why, so another comes first.
fn newest_failed(ledger: &[LedgerRow]) -> Option<&LedgerRow> {
    let failed = |row: &&LedgerRow| row.outcome == Outcome::Failed;
    let had_its_turn = |row: &&LedgerRow| !row.reason.as_deref().is_some_and(|reason| reason.starts_with("NOT_RUN"));
    ledger.iter().filter(failed).rfind(had_its_turn).or_else(|| ledger.iter().rfind(failed))
}

/// The day before `now`; with `weekdays`, the last of those.
pub fn last_day(now: Timestamp, weekdays: bool) -> Option<String> {
    let mut day = now.to_utc()?.date_naive().pred_opt()?;
    while weekdays && matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
        day = day.pred_opt()?;
    }
    Some(day.to_string())
}

fn strip_cell(row: &LedgerRow) -> StripCell {
    let mark = Mark::from(row.outcome);
    let reason = row.reason.as_deref().map(|reason| format!(", {reason}")).unwrap_or_default();
    StripCell {
        mark,
        href: execution_path(&row.execution_arn),
        title: format!("{}: {}{reason}", row.partition, mark.word()),
    }
}

/// The newest partition that is in, and how many before it are not.
pub fn in_until(ledger: &[LedgerRow]) -> Option<(String, usize)> {
    let good = |row: &LedgerRow| matches!(row.outcome, Outcome::Succeeded | Outcome::Skipped);
    let newest = ledger.iter().rposition(good)?;
    let gaps = ledger[..newest].iter().filter(|row| !good(row)).count();
    Some((ledger[newest].partition.clone(), gaps))
}

/// The median duration of the partitions that succeeded, milliseconds.
pub fn median(ledger: &[LedgerRow]) -> Option<i64> {
    let mut lengths: Vec<i64> =
        ledger.iter().filter(|row| row.outcome == Outcome::Succeeded).filter_map(length).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied()
}

/// How long a partition took, milliseconds.
pub fn length(row: &LedgerRow) -> Option<i64> {
    row.ended_at.map(|end: Timestamp| end.millis() - row.started_at.millis())
}

#[cfg(test)]
pub mod tests {
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    /// A row of the ledger of daily prices that took `seconds`.
    pub fn row(partition: &str, outcome: Outcome, seconds: i64) -> LedgerRow {
        let started_at = Timestamp::from_millis(1_757_052_000_000);
        let ended = !matches!(outcome, Outcome::Running | Outcome::Queued);
        LedgerRow {
            pipeline: "daily-prices".to_owned(),
            partition: partition.to_owned(),
            outcome,
            reason: (outcome == Outcome::Failed).then(|| "DQ_FAILED".to_owned()),
            execution: Uuid::new_v5(&Uuid::NAMESPACE_URL, partition.as_bytes()),
            execution_arn: crate::dashboard::sample::arn(partition),
            rows: (outcome == Outcome::Succeeded).then_some(2_500),
            bytes: Some(81_000),
            files: Some(1),
            quality: Value::Null,
            started_at,
            ended_at: ended.then(|| started_at.plus_seconds(seconds)),
            earlier: None,
            queued: None,
        }
    }

    #[test]
    fn in_until_is_the_newest_good_one_and_counts_the_gaps() {
        use Outcome::{Failed, Running, Skipped, Succeeded};
        for (outcomes, expected) in [
            (vec![], None),
            (vec![Failed], None),
            (vec![Succeeded, Skipped, Failed], Some(("2025-09-02", 0))),
            (vec![Succeeded, Failed, Succeeded], Some(("2025-09-03", 1))),
            (vec![Failed, Succeeded, Running], Some(("2025-09-02", 1))),
        ] {
            let ledger: Vec<LedgerRow> = outcomes
                .iter()
                .enumerate()
                .map(|(day, outcome)| row(&format!("2025-09-{:02}", day + 1), *outcome, 40))
                .collect();
            let expected = expected.map(|(partition, gaps)| (partition.to_owned(), gaps));
            assert_eq!(in_until(&ledger), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn a_day_that_never_had_its_turn_does_not_hide_the_one_that_failed() {
        let mut ledger = [row("2025-09-01", Outcome::Failed, 40), row("2025-09-02", Outcome::Failed, 40)];
        assert_eq!(newest_failed(&ledger).unwrap().partition, "2025-09-02");
        ledger[1].reason = Some("NOT_RUN: the run ended before its turn".to_owned());
        assert_eq!(newest_failed(&ledger).unwrap().partition, "2025-09-01");
        assert_eq!(newest_failed(&ledger[1..]).unwrap().partition, "2025-09-02");
    }

    #[test]
    fn the_day_to_run_first_is_the_last_one_that_is_due() {
        // A Monday.
        let now = Timestamp::from_millis(1_757_318_400_000);
        assert_eq!(last_day(now, true).as_deref(), Some("2025-09-05"));
        assert_eq!(last_day(now, false).as_deref(), Some("2025-09-07"));
    }

    #[test]
    fn the_median_is_of_those_that_succeeded() {
        let ledger = [
            row("2025-09-01", Outcome::Succeeded, 40),
            row("2025-09-02", Outcome::Failed, 4_000),
            row("2025-09-03", Outcome::Succeeded, 30),
            row("2025-09-04", Outcome::Succeeded, 50),
            row("2025-09-05", Outcome::Running, 0),
        ];
        assert_eq!(median(&ledger), Some(40_000));
        assert_eq!(median(&[]), None);
    }
}
