//! What the commits of a table changed, read from its log.

use deltalake::kernel::{Action, CommitInfo};
use deltalake::logstore::get_actions;

use super::Delta;
use crate::lake::Error;

/// One version of a table, compared with the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version.
    pub version: i64,
    /// Files added, whether or not that changed data.
    pub adds: u64,
    /// Files removed, whether or not that changed data.
    pub removes: u64,
    /// Whether rows came, went or changed; a commit that only laid files out anew (optimise) changes none.
    pub data_change: bool,
    /// The partitions whose rows changed, by the values of the column asked for, in order.
    pub partitions: Vec<Option<String>>,
    /// `false` if the log does not say which partitions: a removal by a writer that leaves them out.
    pub partitions_known: bool,
}

impl Delta {
    /// What each version after `after`, up to and including `to`, changed; `column` is a partition column.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the log does not reach back so far (or forward), [`Error::Schema`] if the table is not
    /// partitioned by the column, [`Error::Storage`].
    pub async fn changes(&self, after: i64, to: i64, column: &str) -> Result<Vec<Change>, Error> {
        self.expect_partition_column(column)?;
        let mut changes = Vec::new();
        for version in after + 1..=to {
            let actions = self.actions(version).await?;
            let (mut adds, mut removes, mut data_change, mut partitions_known) = (0, 0, false, true);
            let mut partitions = Vec::new();
            for action in actions {
                let (changed, values) = match action {
                    Action::Add(add) => {
                        adds += 1;
                        (add.data_change, Some(add.partition_values))
                    }
                    Action::Remove(remove) => {
                        removes += 1;
                        (remove.data_change, remove.partition_values)
                    }
                    _ => continue,
                };
                if changed {
                    data_change = true;
                    match values {
                        Some(mut values) => partitions.push(values.remove(column).flatten()),
                        None => partitions_known = false,
                    }
                }
            }
            partitions.sort();
            partitions.dedup();
            changes.push(Change { version, adds, removes, data_change, partitions, partitions_known });
        }
        Ok(changes)
    }

    /// The actions of a version.
    pub(super) async fn actions(&self, version: i64) -> Result<Vec<Action>, Error> {
        let uri = || format!("{}@v{version}", self.uri());
        let number = u64::try_from(version).map_err(|_| Error::NotFound { uri: uri() })?;
        let failed = |error| Error::storage("read", uri(), error);
        let entry = self.table.log_store().read_commit_entry(number).await.map_err(failed)?;
        let entry = entry.ok_or_else(|| Error::NotFound { uri: uri() })?;
        get_actions(number, &entry).map_err(failed)
    }

    /// What the writer of a version said about it.
    pub(super) async fn commit_info(&self, version: i64) -> Result<Option<CommitInfo>, Error> {
        let actions = self.actions(version).await?;
        Ok(actions.into_iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some(info),
            _ => None,
        }))
    }
}
