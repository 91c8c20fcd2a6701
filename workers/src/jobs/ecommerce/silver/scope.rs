//! Which bronze files a run looks at.

use std::collections::BTreeSet;
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, RecordBatch, StringArray};

use super::super::table::{ORDER_ITEMS, SOURCE_FILE};
use super::Work;
use crate::job::{Code, JobError};
use crate::query::{Kind, Query, column};

/// The files of a run.
#[derive(Debug)]
pub(super) struct Scope {
    /// Their names, ascending.
    pub files: Vec<String>,
    /// Whether bronze has no others.
    pub all: bool,
}

impl Scope {
    /// Files that changed since the version silver was made from, all of them where that is not known, and those whose
    /// refused rows can be taken now.
    ///
    /// # Errors
    /// `STORAGE_ERROR`.
    pub async fn of(work: &Work<'_>) -> Result<Scope, JobError> {
        let mut files = BTreeSet::new();
        let now = work.bronze.version();
        match work.done {
            // A lower version is of a table that was made anew.
            Some(done) if done <= now => match work.bronze.changes(done, now, SOURCE_FILE).await {
                Ok(changes) => {
                    for change in changes.into_iter().filter(|change| change.data_change) {
                        if !change.partitions_known {
                            files.extend(every(work).await?);
                        }
                        files.extend(change.partitions.into_iter().flatten());
                    }
                }
                Err(error) => {
                    // The log of those versions has been cleaned up: everything is looked at again.
                    work.context.warn(format!("cannot tell what changed since version {done}: {}", error.chain()));
                    files.extend(every(work).await?);
                }
            },
            _ => files.extend(every(work).await?),
        }
        if work.source.name == ORDER_ITEMS.name && work.done.is_some() {
            let healed = work.query.json(include_str!("../sql/silver/healed.sql"), &[]).await?;
            let before = files.len();
            files.extend(healed.iter().filter_map(|row| row[SOURCE_FILE].as_str().map(str::to_owned)));
            work.context.metric("files_healed", files.len() - before);
        }
        let all = every(work).await?.is_subset(&files);
        Ok(Scope { files: files.into_iter().collect(), all })
    }

    /// Makes the names known as the table `scope`.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR`.
    pub async fn register(&self, query: &Query) -> Result<(), JobError> {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(&self.files));
        let rows = RecordBatch::try_from_iter_with_nullable([(SOURCE_FILE, names, true)])
            .map_err(|error| JobError::new(Code::UnexpectedError, format!("file names make no table: {error}")))?;
        query.rows("scope", &[column(SOURCE_FILE, Kind::Text)], vec![rows]).await
    }
}

async fn every(work: &Work<'_>) -> Result<BTreeSet<String>, JobError> {
    Ok(work.bronze.partition_values(SOURCE_FILE).await?.into_iter().flatten().collect())
}
