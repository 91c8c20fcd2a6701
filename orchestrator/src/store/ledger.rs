//! The rules of the ledger, the same for every store: what one change makes of one row.

use serde_json::Value;

use super::{LedgerChange, LedgerRow, Outcome};

/// The key of a ledger row: pipeline and partition.
pub(super) type Key = (String, String);

/// Which row a change is about.
pub(super) fn key(change: &LedgerChange) -> Key {
    match change {
        LedgerChange::Begin { pipeline, partition, .. }
        | LedgerChange::Settle { pipeline, partition, .. }
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
        }),
        LedgerChange::Settle { execution, outcome, reason, at, .. } => {
            let row = row.filter(|row| row.execution == *execution)?;
            let (outcome, reason) = (*outcome, reason.clone());
            Some(LedgerRow { outcome, reason, ended_at: Some(*at), ..row.clone() })
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
        LedgerChange::Settle {
            pipeline: "sales".into(),
            partition: "2024-12-07".into(),
            execution: Uuid::from_u128(execution),
            outcome: Outcome::Succeeded,
            reason: None,
            at: Timestamp::from_millis(2),
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
}
