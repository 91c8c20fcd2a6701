//! Which silver commits the next batch takes.
//!
//! Source: pipelines.md 4.4, 2 and 8; 4.1, `max_commits_per_batch`.

use super::super::gold::Scope;
use crate::lake::delta::Change;

/// Silver versions looked at in one go: a backlog of any length is planned in bounded memory.
pub const VERSIONS_AT_ONCE: i64 = 500;

/// The commits of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Take {
    /// The last version of it.
    pub to: i64,
    /// What it touched; empty if its commits changed no data.
    pub scope: Scope,
    /// Whether a commit does not tell what it touched: all dates may be.
    pub everything: bool,
}

/// Takes commits, in order, until `commits_max` of them have changed data. Commits that only rewrite files, and those that
/// touch no file, are passed over, also after the last.
pub fn take(changes: &[Change], commits_max: u64) -> Option<Take> {
    let mut take: Option<Take> = None;
    let mut taken = 0;
    for change in changes {
        let touches = change.data_change && !(change.partitions.is_empty() && change.partitions_known);
        if touches {
            if taken == commits_max {
                break;
            }
            taken += 1;
        }
        let take = take.get_or_insert_with(|| Take { to: change.version, ..Take::default() });
        take.to = change.version;
        if touches {
            take.scope.extend(change.partitions.iter().cloned());
            take.everything |= !change.partitions_known;
        }
    }
    take
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: i64, data_change: bool, dates: &[&str]) -> Change {
        let partitions = dates.iter().map(|date| Some((*date).to_owned())).collect();
        Change { version, adds: 1, removes: 0, data_change, partitions, partitions_known: true }
    }

    #[test]
    fn batches_end_before_the_commit_too_many_and_pass_rewrites_over() {
        let changes = [
            change(0, false, &[]),
            change(1, true, &["2025-06-11"]),
            change(2, false, &["2025-06-11"]),
            change(3, true, &["2025-06-12", "2025-06-13"]),
            change(4, true, &["2025-06-11"]),
        ];
        for (from, commits_max, to, dates) in [
            (0, 1, 2, &["2025-06-11"][..]),
            (0, 2, 3, &["2025-06-11", "2025-06-12", "2025-06-13"]),
            (0, 9, 4, &["2025-06-11", "2025-06-12", "2025-06-13"]),
            (3, 1, 3, &["2025-06-12", "2025-06-13"]),
            (2, 1, 3, &["2025-06-12", "2025-06-13"]),
        ] {
            let taken = take(&changes[from..], commits_max).unwrap();
            assert_eq!(
                (taken.to, taken.scope.values()),
                (to, dates.iter().map(|d| (*d).to_owned()).collect()),
                "{from}"
            );
        }
        let empty = take(&changes[..1], 1).unwrap();
        assert!(empty.to == 0 && empty.scope.is_empty());
        let silent = Change { partitions_known: false, ..change(5, true, &[]) };
        assert!(take(&[silent], 1).unwrap().everything, "a removal that does not say where");
        assert_eq!(take(&[], 1), None);
    }
}
