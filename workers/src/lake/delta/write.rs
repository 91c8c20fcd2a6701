//! One write, one commit: the new files added and the replaced ones removed in a single log entry.

use std::collections::HashMap;
use std::num::NonZeroU64;

use chrono::Utc;
use deltalake::datafile::writer::WriterConfig;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake::kernel::{Action, Add, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::config::TablePropertiesExt;
use serde_json::Value;

use super::encode::{Encoders, Target};
use super::{Delta, File, allowance, is_taken};
use crate::lake::parquet_file::writer_properties;
use crate::lake::{Codec, Error, Rows};
use crate::query::memory_bytes;

/// Files are closed when they reach this size.
const TARGET_FILE_BYTES: u64 = 128 << 20;
/// Other writers may be faster so often.
const COMMIT_ATTEMPTS_MAX: u32 = 20;
/// Marks our commits in the log, so that a lost answer to a commit is recognised.
const COMMIT_ID: &str = "stepwellCommit";

/// What a write does to the rows that are there.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    /// They stay.
    Append,
    /// They go, all of them.
    ReplaceTable,
    /// Those of exactly these partitions go, also of those for which no row comes. Values as in the log: dates as
    /// `YYYY-MM-DD`.
    ReplacePartitions {
        /// A column the table is partitioned by.
        column: &'a str,
        /// Its values.
        values: &'a [String],
    },
    /// As `ReplacePartitions`, for partitions that take several columns to name.
    ReplaceEach {
        /// Columns the table is partitioned by.
        columns: &'a [&'a str],
        /// Their values, one list for each partition, in the order of the columns.
        values: &'a [Vec<String>],
    },
}

/// What a write wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version it made.
    pub version: i64,
    /// Rows.
    pub rows: u64,
    /// Data files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

type PartitionValues = HashMap<String, Option<String>>;

impl Delta {
    /// Writes the rows and commits, once. A transaction `(application, version)` is recorded in the same commit.
    ///
    /// Rows are written in their order, each partition into its own files. The table is at the new version afterwards.
    ///
    /// # Errors
    /// [`Error::Conflict`] if since the loaded version another writer changed rows this one replaces, the table's columns,
    /// or has done this transaction or a later one; [`Error::Schema`] if the rows' columns are not the table's or a row lies
    /// outside the partitions to replace; [`Error::Rows`], [`Error::Storage`]. After any of them the table is as it was
    /// (files that nobody refers to are a vacuum's).
    pub async fn write(
        &mut self,
        rows: Rows,
        mode: Write<'_>,
        transaction: Option<(&str, i64)>,
        run_id: &str,
    ) -> Result<Written, Error> {
        self.expect_mode(mode)?;
        if rows.columns() != self.columns {
            let names = |columns: &[crate::lake::Column]| {
                columns
                    .iter()
                    .map(|column| format!("{} {}", column.name, column.kind.catalog_name()))
                    .collect::<Vec<_>>()
            };
            let reason =
                format!("the rows have the columns {:?}, the table {:?}", names(rows.columns()), names(&self.columns));
            return Err(Error::Schema { uri: self.uri(), reason });
        }
        if let Some((application, version)) = transaction {
            self.expect_new(application, version).await?;
        }
        let (adds, rows) = self.write_files(rows).await?;
        if let Some(add) = adds.iter().find(|add| !mode.covers(&add.partition_values)) {
            let reason = format!("a row lies in partition {:?}, which is not one to be replaced", add.partition_values);
            return Err(Error::Schema { uri: self.uri(), reason });
        }
        let files = adds.len() as u64;
        let bytes = adds.iter().map(|add| u64::try_from(add.size).unwrap_or_default()).sum();
        let version = self.commit(adds, mode, transaction, run_id).await?;
        Ok(Written { version, rows, files, bytes })
    }

    /// Writes data files that no version refers to yet.
    async fn write_files(&self, mut rows: Rows) -> Result<(Vec<Add>, u64), Error> {
        let partition_by = self.partition_columns()?;
        let place = |name: &String| self.columns.iter().position(|column| column.name == name.as_str());
        let places = partition_by.iter().filter_map(place).collect();
        let uri = self.uri();
        let mut first = rows.next(&uri).await?;
        let config = WriterConfig::new(
            rows.schema(),
            partition_by,
            Some(writer_properties(Codec::Snappy, first.as_ref())),
            NonZeroU64::new(TARGET_FILE_BYTES),
            None,
            self.snapshot()?.table_config().num_indexed_cols(),
            None,
        );
        let allowed = memory_bytes().map_err(allowance)?;
        let target = Target { store: self.table.object_store(), config, uri: uri.clone() };
        let mut encoders = Encoders::start(&target, &rows.schema(), places, allowed)?;
        let mut count = 0;
        let written = loop {
            let next = match first.take() {
                Some(first) => Ok(Some(first)),
                None => rows.next(&uri).await,
            };
            match next {
                Ok(Some(batch)) => {
                    if count == 0 {
                        tracing::info!(table.uri = %uri, "Writing rows to `{uri}`");
                    }
                    count += batch.num_rows() as u64;
                    if let Err(error) = encoders.write(&batch).await {
                        break Err(error);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        match written {
            Ok(()) => Ok((encoders.finish().await?, count)),
            Err(error) => {
                encoders.abort().await;
                Err(error)
            }
        }
    }

    async fn commit(
        &mut self,
        adds: Vec<Add>,
        mode: Write<'_>,
        transaction: Option<(&str, i64)>,
        run_id: &str,
    ) -> Result<i64, Error> {
        let commit_id = uuid::Uuid::new_v4().to_string();
        let metadata = [("runId", run_id), (COMMIT_ID, commit_id.as_str())];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())));
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let removals = self.files().await?.into_iter().filter(|file| mode.removes(file));
            let mut actions: Vec<Action> = removals.map(|file| Action::Remove(file.removal)).collect();
            actions.extend(adds.iter().cloned().map(Action::Add));
            let mut properties = CommitProperties::default().with_metadata(metadata.clone()).with_max_retries(0);
            if let Some((application, version)) = transaction {
                let now = Utc::now().timestamp_millis();
                let done = Transaction::new_with_last_update(application, version, Some(now));
                properties = properties.with_application_transaction(done);
            }
            let operation = DeltaOperation::Write {
                mode: if matches!(mode, Write::Append) { SaveMode::Append } else { SaveMode::Overwrite },
                partition_by: Some(self.partition_columns()?).filter(|columns| !columns.is_empty()),
                predicate: mode.predicate(),
            };
            let commit = CommitBuilder::from(properties).with_actions(actions).build(
                Some(self.snapshot()? as &dyn TableReference),
                self.table.log_store(),
                operation,
            );
            let committed = match commit.into_prepared_commit_future().await {
                Ok(prepared) => prepared.await,
                Err(error) => Err(error),
            };
            let read = self.version();
            match committed {
                Ok(post) => {
                    // The commit is there; a checkpoint that could not be written is the next one's.
                    if let Err(error) = post.await {
                        tracing::warn!(table.uri = %self.uri(), "Cannot write a checkpoint of `{}`: {error}", self.uri());
                    }
                    self.refresh().await?;
                    return self.version_of(&commit_id, read).await?.ok_or_else(|| {
                        let lost = std::io::Error::other("the commit that was acknowledged is not in the log");
                        Error::storage("commit to", self.uri(), lost)
                    });
                }
                Err(error) if is_taken(&error) => {
                    self.refresh().await?;
                    // The answer to our own commit may have been lost, and it was sent again.
                    if let Some(version) = self.version_of(&commit_id, read).await? {
                        return Ok(version);
                    }
                    self.expect_no_conflict(read, mode).await?;
                    if let Some((application, version)) = transaction {
                        self.expect_new(application, version).await?;
                    }
                }
                Err(error) => return Err(self.failed("commit to", error)),
            }
        }
        let reason = format!("others were faster {COMMIT_ATTEMPTS_MAX} times");
        Err(Error::Conflict { uri: self.uri(), reason })
    }

    /// The version after `read` that has our commit.
    async fn version_of(&self, commit_id: &str, read: i64) -> Result<Option<i64>, Error> {
        for version in read + 1..=self.version() {
            let info = self.commit_info(version).await?;
            if info.is_some_and(|info| info.info.get(COMMIT_ID).and_then(Value::as_str) == Some(commit_id)) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Refuses if a version after `read` changed what `mode` replaces, or the table itself.
    async fn expect_no_conflict(&self, read: i64, mode: Write<'_>) -> Result<(), Error> {
        for version in read + 1..=self.version() {
            for action in self.actions(version).await? {
                let changed = match &action {
                    Action::Add(add) => add.data_change && mode.replaces(Some(&add.partition_values)),
                    Action::Remove(remove) => remove.data_change && mode.replaces(remove.partition_values.as_ref()),
                    Action::Metadata(_) | Action::Protocol(_) => true,
                    _ => false,
                };
                if changed {
                    let reason = format!("version {version} changed what this write replaces or the table's columns");
                    return Err(Error::Conflict { uri: self.uri(), reason });
                }
            }
        }
        Ok(())
    }

    async fn expect_new(&self, application: &str, version: i64) -> Result<(), Error> {
        match self.transaction(application).await? {
            Some(done) if done >= version => {
                let reason = format!("transaction {version} of `{application}` is done, the last one is {done}");
                Err(Error::Conflict { uri: self.uri(), reason })
            }
            _ => Ok(()),
        }
    }

    fn expect_mode(&self, mode: Write<'_>) -> Result<(), Error> {
        match mode {
            Write::Append | Write::ReplaceTable => Ok(()),
            Write::ReplacePartitions { column, .. } => self.expect_partition_column(column),
            Write::ReplaceEach { columns, values } => {
                columns.iter().try_for_each(|column| self.expect_partition_column(column))?;
                match values.iter().find(|values| values.len() != columns.len()) {
                    None => Ok(()),
                    Some(values) => {
                        let reason = format!("{values:?} does not name a partition by the columns {columns:?}");
                        Err(Error::Schema { uri: self.uri(), reason })
                    }
                }
            }
        }
    }
}

impl Write<'_> {
    /// Whether a file of these partition values may be added.
    fn covers(self, partition: &PartitionValues) -> bool {
        matches!(self, Write::Append) || self.replaces(Some(partition))
    }

    fn removes(self, file: &File) -> bool {
        self.replaces(Some(&file.partition_values))
    }

    /// Whether the rows of a partition are replaced; unknown partitions (`None`) may be.
    fn replaces(self, partition: Option<&PartitionValues>) -> bool {
        let is = |column: &str, wanted: &String| match partition {
            Some(values) => values.get(column).and_then(Option::as_ref) == Some(wanted),
            None => true,
        };
        match self {
            Write::Append => false,
            Write::ReplaceTable => true,
            Write::ReplacePartitions { column, values } => values.iter().any(|value| is(column, value)),
            Write::ReplaceEach { columns, values } => {
                values.iter().any(|values| columns.iter().zip(values).all(|(column, value)| is(column, value)))
            }
        }
    }

    /// What is replaced, for people who read the log.
    fn predicate(self) -> Option<String> {
        let equal = |column: &str, value: &String| format!("{column} = '{}'", value.replace('\'', "''"));
        match self {
            Write::Append | Write::ReplaceTable => None,
            Write::ReplacePartitions { column, values } => {
                let values: Vec<String> =
                    values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
                Some(format!("{column} in ({})", values.join(", ")))
            }
            Write::ReplaceEach { columns, values } => {
                let each = values.iter().map(|values| {
                    let all = columns.iter().zip(values).map(|(column, value)| equal(column, value));
                    format!("({})", all.collect::<Vec<_>>().join(" and "))
                });
                Some(each.collect::<Vec<_>>().join(" or "))
            }
        }
    }
}
