//! Delta tables on the lake's own object stores: `file://` and `s3://`, crash points counted at every write.
//!
//! A commit is a put-if-absent of the next log entry, which both stores do in one step; until it is there a writer's
//! files are nobody's. What a commit replaces is decided against the version it read: if another writer was faster, the
//! write looks at what changed, goes on if that has nothing to do with it, and is refused with [`Error::Conflict`] if it
//! has ([`write`]). What this module does not do: decide the rows; that is [`crate::query`]'s part.

mod changes;
mod encode;
#[cfg(feature = "spark")]
mod files;
mod maintain;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::errors::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{DataType, PrimitiveType, StructField};
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake::protocol::SaveMode;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use super::{Column, Error, Folder, Kind, columns_of};
use crate::job::JobError;
use crate::query::MEMORY_VARIABLE;

pub use changes::Change;
pub use maintain::Optimized;
pub use write::{Write, Written};

/// A Delta table at one of its versions.
#[derive(Clone)]
pub struct Delta {
    folder: Folder,
    table: DeltaTable,
    columns: Vec<Column>,
}

/// What a version of a table consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Rows, as the log's statistics say.
    pub rows: u64,
    /// Data files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Different combinations of partition values.
    pub partitions: u64,
}

impl std::fmt::Debug for Delta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delta").field("uri", &self.uri()).field("version", &self.version()).finish_non_exhaustive()
    }
}

impl Delta {
    /// The table in a folder at its newest version; `None` if there is no table.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn open(folder: &Folder) -> Result<Option<Delta>, Error> {
        let mut table = table_at(folder);
        let failed = |error| not_opened(folder.uri(), error);
        if !table.verify_deltatable_existence().await.map_err(failed)? {
            return Ok(None);
        }
        table.load().await.map_err(failed)?;
        Ok(Some(Delta::of(folder, table)?))
    }

    /// The table in a folder as it was at a version.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no table, [`Error::Storage`] if the version does not exist (any more).
    pub async fn open_at(folder: &Folder, version: i64) -> Result<Delta, Error> {
        let mut table = table_at(folder);
        let uri = format!("{}@v{version}", folder.uri());
        let failed = |error| not_opened(uri.clone(), error);
        if !table.verify_deltatable_existence().await.map_err(failed)? {
            return Err(Error::NotFound { uri: folder.uri() });
        }
        let number = u64::try_from(version).map_err(|_| Error::NotFound { uri: uri.clone() })?;
        table.load_version(number).await.map_err(failed)?;
        Delta::of(folder, table)
    }

    /// The table in a folder, created if there is none. `name` is the one catalogs show.
    ///
    /// # Errors
    /// [`Error::Schema`] if there is a table with other columns or partitions, [`Error::Storage`].
    pub async fn create(
        folder: &Folder,
        columns: &[Column],
        partition_by: &[&str],
        name: &str,
    ) -> Result<Delta, Error> {
        if let Some(absent) = partition_by.iter().find(|by| columns.iter().all(|column| column.name != **by)) {
            let reason = format!("it is to be partitioned by `{absent}`, which is no column");
            return Err(Error::Schema { uri: folder.uri(), reason });
        }
        if let Some(table) = Delta::open(folder).await? {
            return table.expect_schema(columns, partition_by);
        }
        if let Some(path) = folder.local_path() {
            let created = tokio::fs::create_dir_all(&path).await;
            created.map_err(|error| Error::storage("create", folder.uri(), error))?;
        }
        let created = table_at(folder)
            .create()
            .with_table_name(name)
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_columns(
                columns.iter().map(|column| StructField::nullable(column.name.as_ref(), delta_type(column.kind))),
            )
            .with_partition_columns(partition_by.iter().copied())
            .await;
        match created {
            Ok(table) => Delta::of(folder, table),
            Err(error) => match Delta::open(folder).await {
                // Somebody created it in the same moment.
                Ok(Some(table)) => table.expect_schema(columns, partition_by),
                _ => Err(Error::storage("create", folder.uri(), error)),
            },
        }
    }

    fn of(folder: &Folder, table: DeltaTable) -> Result<Delta, Error> {
        let snapshot = table.snapshot().map_err(|error| Error::storage("open", folder.uri(), error))?;
        let columns = columns_of(&snapshot.snapshot().arrow_schema());
        Ok(Delta { folder: folder.clone(), table, columns })
    }

    fn expect_schema(self, columns: &[Column], partition_by: &[&str]) -> Result<Delta, Error> {
        let uri = self.uri();
        if self.columns != columns {
            let list = |columns: &[Column]| {
                let one = |column: &Column| format!("{} {}", column.name, column.kind.catalog_name());
                columns.iter().map(one).collect::<Vec<_>>().join(", ")
            };
            let reason = format!("the table has the columns ({}), not ({})", list(&self.columns), list(columns));
            return Err(Error::Schema { uri, reason });
        }
        let partitions = self.partition_columns()?;
        if partitions != partition_by {
            let reason = format!("the table is partitioned by {partitions:?}, not by {partition_by:?}");
            return Err(Error::Schema { uri, reason });
        }
        Ok(self)
    }

    /// The version that is loaded.
    pub fn version(&self) -> i64 {
        let version = self.table.version().expect("a table is only handed out loaded");
        i64::try_from(version).expect("versions are counted from 0, one by one")
    }

    /// The columns, in order; those of nested types are left out.
    pub fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    /// The columns of nested types, by name and type: they are not read.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(crate) fn nested_columns(&self) -> Result<Vec<(String, String)>, Error> {
        let schema = self.snapshot()?.snapshot().arrow_schema();
        let nested = schema.fields().iter().filter(|field| Kind::of(field.data_type()).is_none());
        Ok(nested.map(|field| (field.name().clone(), field.data_type().to_string())).collect())
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its URI.
    pub fn uri(&self) -> String {
        self.folder.uri()
    }

    /// The columns it is partitioned by.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn partition_columns(&self) -> Result<Vec<String>, Error> {
        Ok(self.snapshot()?.metadata().partition_columns().to_vec())
    }

    /// Loads the newest version.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.table.update_state().await.map_err(|error| not_opened(self.folder.uri(), error))?;
        *self = Delta::of(&self.folder, self.table.clone())?;
        Ok(())
    }

    /// The version of an application's last transaction in the table.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn transaction(&self, application: &str) -> Result<Option<i64>, Error> {
        let log_store = self.table.log_store();
        let found = self.snapshot()?.snapshot().transaction_version(log_store.as_ref(), application).await;
        found.map_err(|error| self.failed("read", error))
    }

    /// The values of a partition column that have data, in order.
    ///
    /// # Errors
    /// [`Error::Schema`] if the table is not partitioned by it, [`Error::Storage`].
    pub async fn partition_values(&self, column: &str) -> Result<Vec<Option<String>>, Error> {
        self.expect_partition_column(column)?;
        let files = self.files().await?;
        let mut values: Vec<Option<String>> =
            files.into_iter().map(|mut file| file.partition_values.remove(column).flatten()).collect();
        values.sort();
        values.dedup();
        Ok(values)
    }

    /// Rows, files, bytes and partitions of the version.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn details(&self) -> Result<Details, Error> {
        let files = self.files().await?;
        let mut partitions: Vec<Vec<_>> = Vec::with_capacity(files.len());
        let mut details = Details { files: files.len() as u64, ..Details::default() };
        for file in &files {
            details.rows += file.rows;
            details.bytes += file.bytes;
            let mut values: Vec<_> = file.partition_values.iter().collect();
            values.sort();
            partitions.push(values);
        }
        partitions.sort();
        partitions.dedup();
        details.partitions = partitions.len() as u64;
        Ok(details)
    }

    /// Rows, files and bytes of each partition, by the values of the partition columns in their order. A table without
    /// partition columns has one entry, without values.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn partitions(&self) -> Result<BTreeMap<Vec<Option<String>>, Details>, Error> {
        let keys = self.partition_columns()?;
        let mut partitions = BTreeMap::new();
        if keys.is_empty() {
            partitions.insert(Vec::new(), Details::default());
        }
        for mut file in self.files().await? {
            let values = keys.iter().map(|key| file.partition_values.remove(key).flatten()).collect();
            let details: &mut Details = partitions.entry(values).or_default();
            details.rows += file.rows;
            details.files += 1;
            details.bytes += file.bytes;
            details.partitions = 1;
        }
        Ok(partitions)
    }

    /// The DataFusion side of the table.
    pub(crate) fn table(&self) -> &DeltaTable {
        &self.table
    }

    fn snapshot(&self) -> Result<&deltalake::table::state::DeltaTableState, Error> {
        self.table.snapshot().map_err(|error| self.failed("read", error))
    }

    fn failed(&self, action: &'static str, error: DeltaTableError) -> Error {
        Error::storage(action, self.uri(), error)
    }

    fn expect_partition_column(&self, column: &str) -> Result<(), Error> {
        let partitions = self.partition_columns()?;
        if partitions.iter().any(|partition| partition == column) {
            return Ok(());
        }
        let reason = format!("the table is partitioned by {partitions:?}, not by `{column}`");
        Err(Error::Schema { uri: self.uri(), reason })
    }

    /// The live data files.
    async fn files(&self) -> Result<Vec<File>, Error> {
        let views: Vec<_> = self
            .table
            .get_active_add_actions_by_predicate(None)
            .try_collect()
            .await
            .map_err(|error| self.failed("list", error))?;
        let file = |view: deltalake::kernel::LogicalFileView| File {
            rows: view.num_records().unwrap_or_default() as u64,
            bytes: u64::try_from(view.size()).unwrap_or_default(),
            partition_values: view.partition_values_map(),
            removal: view.remove_action(true),
        };
        Ok(views.into_iter().map(file).collect())
    }
}

/// A live data file.
struct File {
    rows: u64,
    bytes: u64,
    partition_values: std::collections::HashMap<String, Option<String>>,
    removal: deltalake::kernel::Remove,
}

/// The table of a folder, not loaded yet.
fn table_at(folder: &Folder) -> DeltaTable {
    let root: Arc<dyn ObjectStore> = folder.store().object_store();
    let path = Path::parse(folder.key()).expect("a folder's key was checked when it was opened");
    let prefixed: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(root.clone(), path));
    let log_store: LogStoreRef = default_logstore(prefixed, root, &folder.url(), &StorageConfig::default());
    DeltaTable::new(log_store)
}

fn delta_type(kind: Kind) -> DataType {
    DataType::Primitive(match kind {
        Kind::Text => PrimitiveType::String,
        Kind::Int32 => PrimitiveType::Integer,
        Kind::Int64 => PrimitiveType::Long,
        Kind::Float64 => PrimitiveType::Double,
        Kind::Boolean => PrimitiveType::Boolean,
        Kind::Date => PrimitiveType::Date,
        Kind::Timestamp => PrimitiveType::Timestamp,
    })
}

/// Why a table could not be opened: the store failed, or its log is torn, and then trying again does not help.
fn not_opened(uri: String, error: DeltaTableError) -> Error {
    // The reader of the log tells the kinds of its errors by their text only, and adds a backtrace to it.
    let text = error.to_string();
    match text.lines().next().and_then(|line| line.split_once("Json error: ")) {
        None => Error::storage("open", uri, error),
        Some((_, reason)) => {
            Error::Unreadable { uri, format: "a Delta table", reason: format!("its log is torn, {reason}") }
        }
    }
}

/// What is wrong with the memory that is allowed.
fn allowance(error: JobError) -> Error {
    Error::Configuration { name: MEMORY_VARIABLE.to_owned(), reason: error.message }
}

/// Whether a commit failed because somebody else has that version.
fn is_taken(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_)
            }
    )
}

#[cfg(test)]
mod encode_tests;
#[cfg(test)]
mod tests;
