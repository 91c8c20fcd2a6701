//! The rules of the ledger, the same for every store: what one change makes of one row.

use asl::Timestamp;
use serde_json::Value;

use super::{LedgerChange, LedgerRow, Outcome, QueuedRun};

/// The key of a ledger row: pipeline and partition.
pub(super) type Key = (String, String);

/// Which row a change is about.
pub(super) fn key(change: &LedgerChange) -> Key {
    match change {
        LedgerChange::Begin { pipeline, partition, .. }
        | LedgerChange::Settle { pipeline, partition, .. }
        | LedgerChange::Queue { pipeline, partition, .. }
        | LedgerChange::Unqueue { pipeline, partition, .. }
        | LedgerChange::Figures { pipeline, partition, .. } => (pipeline.clone(), partition.clone()),
        LedgerChange::Put(row) => (row.pipeline.clone(), row.partition.clone()),
    }
}

/// The row after the change; `None` if the change leaves everything as it is.
///
/// Only the execution that holds a row may settle it or add figures: a run that was overtaken stays silent.
pub(super) fn apply(row: Option<&LedgerRow>, change: &LedgerChange) -> Option<LedgerRow> {
    match change {
        LedgerChange::Begin { pipeline, partition, execution, execution_arn, at } => Some(LedgerRow {
            pipeline: pipeline.clone(),
            partition: partition.clone(),
            outcome: Outcome::Running,
            reason: None,
            execution: *execution,
            execution_arn: execution_arn.clone(),
            rows: None,
            bytes: None,
            files: None,
            quality: Value::Object(serde_json::Map::new()),
            started_at: *at,
            ended_at: None,
            earlier: row.and_then(last_settled).filter(is_in).map(Box::new),
            // Whoever is queued goes on waiting, unless this is its own beginning.
            queued: row.and_then(|row| row.queued.clone()).filter(|queued| queued.execution != *execution),
        }),
        LedgerChange::Settle { execution, outcome, reason, in_place, at, .. } => {
            let row = row.filter(|row| row.execution == *execution)?;
            let settled = match &row.earlier {
                Some(earlier) if *in_place => {
                    let reason = format!("{}, says {}", reason.as_deref().unwrap_or("in place"), row.execution_arn);
                    LedgerRow { reason: Some(reason), ..(**earlier).clone() }
                }
                _ => LedgerRow {
                    outcome: *outcome,
                    reason: reason.clone(),
                    ended_at: Some(*at),
                    earlier: None,
                    ..row.clone()
                },
            };
            Some(match &row.queued {
                Some(queued) => waiting(LedgerRow { queued: None, ..settled }, queued, *at),
                None => settled,
            })
        }
        LedgerChange::Queue { run, .. } => {
            let row = row.filter(|row| is_busy(row, run.execution) && row.queued.is_none())?;
            Some(LedgerRow { queued: Some(run.clone()), ..row.clone() })
        }
        LedgerChange::Unqueue { execution, .. } => {
            let row = row.filter(|row| row.queued.as_ref().is_some_and(|queued| queued.execution == *execution))?;
            // Its turn had come: the row is its own already.
            let settled = row.earlier.as_deref().filter(|_| row.execution == *execution);
            Some(settled.cloned().unwrap_or_else(|| LedgerRow { queued: None, ..row.clone() }))
        }
        LedgerChange::Figures { execution, rows, bytes, files, quality, .. } => {
            let row = row.filter(|row| row.execution == *execution)?;
            Some(LedgerRow {
                rows: rows.or(row.rows),
                bytes: bytes.or(row.bytes),
                files: files.or(row.files),
                quality: merged(&row.quality, quality),
                ..row.clone()
            })
        }
        LedgerChange::Put(row) => Some((**row).clone()),
    }
}

/// How the partition stood when nobody worked on it last.
fn last_settled(row: &LedgerRow) -> Option<LedgerRow> {
    match row.outcome {
        Outcome::Queued | Outcome::Running => row.earlier.as_deref().cloned(),
        _ => Some(LedgerRow { earlier: None, queued: None, ..row.clone() }),
    }
}

/// Whether the partition's data is there.
fn is_in(row: &LedgerRow) -> bool {
    matches!(row.outcome, Outcome::Succeeded | Outcome::Stale)
}

/// The row of a partition whose run has ended as `settled`, and for which `queued` is to begin now.
fn waiting(settled: LedgerRow, queued: &QueuedRun, at: Timestamp) -> LedgerRow {
    LedgerRow {
        pipeline: settled.pipeline.clone(),
        partition: settled.partition.clone(),
        outcome: Outcome::Queued,
        reason: None,
        execution: queued.execution,
        execution_arn: queued.execution_arn.clone(),
        rows: None,
        bytes: None,
        files: None,
        quality: Value::Object(serde_json::Map::new()),
        started_at: at,
        ended_at: None,
        earlier: Some(Box::new(settled)),
        queued: Some(Box::new(queued.clone())),
    }
}

/// Whether somebody else works on the partition, so that an exclusive run of it is refused.
pub(super) fn is_busy(row: &LedgerRow, execution: super::ExecutionId) -> bool {
    matches!(row.outcome, Outcome::Queued | Outcome::Running) && row.execution != execution
}

/// The quality results by job with those of `newer` in place of older ones.
fn merged(older: &Value, newer: &Value) -> Value {
    let Value::Object(newer) = newer else { return older.clone() };
    let mut jobs = older.as_object().cloned().unwrap_or_default();
    jobs.extend(newer.iter().map(|(job, result)| (job.clone(), result.clone())));
    Value::Object(jobs)
}

#[cfg(test)]
mod tests {
    use asl::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn begin(execution: u128) -> LedgerChange {
        LedgerChange::Begin {
            pipeline: "sales".into(),
            partition: "2024-12-07".into(),
            execution: Uuid::from_u128(execution),
            execution_arn: format!("arn:{execution}"),
            at: Timestamp::from_millis(1),
        }
    }

    fn settle(execution: u128) -> LedgerChange {
        settle_as(execution, Outcome::Succeeded, false)
    }

    fn settle_as(execution: u128, outcome: Outcome, in_place: bool) -> LedgerChange {
        LedgerChange::Settle {
            pipeline: "sales".into(),
            partition: "2024-12-07".into(),
            execution: Uuid::from_u128(execution),
            outcome,
            reason: in_place.then(|| "IDEMPOTENT_SKIP: Already processed".to_owned()),
            in_place,
            at: Timestamp::from_millis(2),
        }
    }

    fn queue(execution: u128) -> LedgerChange {
        let run = QueuedRun {
            execution: Uuid::from_u128(execution),
            execution_arn: format!("arn:{execution}"),
            name: execution.to_string(),
            state_machine_arn: "arn:machine".into(),
            input: "{}".into(),
            trigger: "rest".into(),
            requested_at: Timestamp::from_millis(1),
        };
        LedgerChange::Queue { pipeline: "sales".into(), partition: "2024-12-07".into(), run: Box::new(run) }
    }

    fn unqueue(execution: u128) -> LedgerChange {
        LedgerChange::Unqueue {
            pipeline: "sales".into(),
            partition: "2024-12-07".into(),
            execution: Uuid::from_u128(execution),
        }
    }

    fn figures(execution: u128, rows: Option<i64>, quality: Value) -> LedgerChange {
        LedgerChange::Figures {
            pipeline: "sales".into(),
            partition: "2024-12-07".into(),
            execution: Uuid::from_u128(execution),
            rows,
            bytes: None,
            files: None,
            quality,
        }
    }

    fn fold(changes: &[LedgerChange]) -> Option<LedgerRow> {
        changes.iter().fold(None, |row, change| apply(row.as_ref(), change).or(row))
    }

    #[test]
    fn settling_counts_only_for_the_execution_that_holds_the_row() {
        for (changes, outcome) in [
            (vec![begin(1), settle(1)], Some(Outcome::Succeeded)),
            (vec![begin(1), begin(2), settle(1)], Some(Outcome::Running)),
            (vec![settle(1)], None),
        ] {
            assert_eq!(fold(&changes).map(|row| row.outcome), outcome, "{changes:?}");
        }
    }

    #[test]
    fn figures_replace_numbers_and_merge_quality_by_job() {
        let row = fold(&[
            begin(1),
            figures(1, Some(10), json!({ "clean": { "passed": true }, "load": 1 })),
            figures(1, None, json!({ "load": 2 })),
            figures(2, Some(99), json!({ "other": 1 })),
        ])
        .unwrap();
        assert_eq!((row.rows, row.quality), (Some(10), json!({ "clean": { "passed": true }, "load": 2 })));
    }

    #[test]
    fn a_row_is_busy_for_others_while_queued_or_running() {
        let mut row = fold(&[begin(1)]).unwrap();
        for (outcome, execution, busy) in [
            (Outcome::Running, 2, true),
            (Outcome::Queued, 2, true),
            (Outcome::Running, 1, false),
            (Outcome::Succeeded, 2, false),
            (Outcome::Stale, 2, false),
        ] {
            row.outcome = outcome;
            assert_eq!(is_busy(&row, Uuid::from_u128(execution)), busy, "{outcome:?} for {execution}");
        }
    }

    #[test]
    fn run_that_finds_its_partition_in_place_leaves_it_so() {
        let made = [begin(1), figures(1, Some(10), json!({ "load": 1 })), settle(1)];
        let skipped = settle_as(2, Outcome::Skipped, true);
        let in_place = made.iter().cloned().chain([begin(2), figures(2, Some(0), json!({})), skipped.clone()]);
        let row = fold(&in_place.collect::<Vec<_>>()).unwrap();
        assert_eq!((row.outcome, row.rows, row.execution), (Outcome::Succeeded, Some(10), Uuid::from_u128(1)));
        assert_eq!(row.quality, json!({ "load": 1 }));
        assert_eq!(row.reason.as_deref(), Some("IDEMPOTENT_SKIP: Already processed, says arn:2"));
        // Also when one run took the partition over from another in between, and again later.
        let twice = [&made[..], &[begin(2), begin(3), settle_as(3, Outcome::Skipped, true)]].concat();
        assert_eq!(fold(&twice).unwrap().rows, Some(10));
        // A run that says so of a partition that is not known to be in is believed, and nothing is made up.
        for before in [vec![], vec![begin(1), settle_as(1, Outcome::Failed, false)]] {
            let row = fold(&[&before[..], &[begin(2), skipped.clone()]].concat()).unwrap();
            assert_eq!((row.outcome, row.execution), (Outcome::Skipped, Uuid::from_u128(2)));
        }
        // Any other end is the partition's.
        let failed = [&made[..], &[begin(2), settle_as(2, Outcome::Failed, false)]].concat();
        assert_eq!(fold(&failed).map(|row| (row.outcome, row.rows, row.earlier)), Some((Outcome::Failed, None, None)));
    }

    #[test]
    fn queued_run_has_the_row_once_the_other_has_ended() {
        let told = |changes: &[LedgerChange]| {
            fold(changes)
                .map(|row| (row.outcome, row.execution.as_u128(), row.queued.map(|run| run.execution.as_u128())))
        };
        for (changes, expected) in [
            (vec![begin(1), queue(2)], (Outcome::Running, 1, Some(2))),
            // One waits at most.
            (vec![begin(1), queue(2), queue(3)], (Outcome::Running, 1, Some(2))),
            // Nobody waits for nothing.
            (vec![begin(1), settle(1), queue(2)], (Outcome::Succeeded, 1, None)),
            (vec![begin(1), queue(2), settle(1)], (Outcome::Queued, 2, Some(2))),
            (vec![begin(1), queue(2), settle(1), begin(2)], (Outcome::Running, 2, None)),
            (vec![begin(1), queue(2), settle(1), begin(2), settle(2)], (Outcome::Succeeded, 2, None)),
            // Somebody who does not ask comes in between.
            (vec![begin(1), queue(2), begin(3)], (Outcome::Running, 3, Some(2))),
            (vec![begin(1), queue(2), settle(1), begin(3)], (Outcome::Running, 3, Some(2))),
            (vec![begin(1), queue(2), settle(1), begin(3), settle(3)], (Outcome::Queued, 2, Some(2))),
            // It is not wanted any more: before its turn, when its turn has come, and too late.
            (vec![begin(1), queue(2), unqueue(2)], (Outcome::Running, 1, None)),
            (vec![begin(1), queue(2), unqueue(3)], (Outcome::Running, 1, Some(2))),
            (vec![begin(1), queue(2), settle(1), unqueue(2)], (Outcome::Succeeded, 1, None)),
            (vec![begin(1), queue(2), settle(1), begin(2), unqueue(2)], (Outcome::Running, 2, None)),
        ] {
            assert_eq!(told(&changes), Some(expected), "{changes:?}");
        }
    }

    #[test]
    fn queued_run_that_finds_its_partition_in_place_leaves_the_figures_of_the_first() {
        let row = fold(&[
            begin(1),
            queue(2),
            figures(1, Some(10), json!({})),
            settle(1),
            begin(2),
            settle_as(2, Outcome::Skipped, true),
        ])
        .unwrap();
        assert_eq!((row.outcome, row.rows), (Outcome::Succeeded, Some(10)));
    }
}
