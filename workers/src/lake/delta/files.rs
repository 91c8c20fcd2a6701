//! The data files of a version, for engines that read them themselves.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::arrow::datatypes::{Schema, SchemaRef};
use futures::TryStreamExt;

use super::Delta;
use crate::lake::Error;

/// A live data file.
pub(crate) struct DataFile {
    /// Its key in the store.
    pub key: String,
    /// Its rows, where the log says.
    pub rows: Option<u64>,
    /// The values of the partition columns, which are not in the file.
    pub partition_values: HashMap<String, Option<String>>,
}

impl Delta {
    /// The live data files, in order of their keys.
    ///
    /// # Errors
    /// [`Error::Schema`] if a file alone does not tell its rows (deletion vectors, renamed columns, files of other tables),
    /// [`Error::Storage`].
    pub(crate) async fn data_files(&self) -> Result<Vec<DataFile>, Error> {
        let refuse = |reason: &str| Error::Schema {
            uri: self.uri(),
            reason: format!(
                "{reason}, which only readers of Delta Lake know; run the job on workers, or rewrite the table"
            ),
        };
        // By name: the type of the mode is in a crate that is not ours to name.
        let mode = self.snapshot()?.table_config().column_mapping_mode;
        if mode.is_some_and(|mode| format!("{mode:?}") != "None") {
            return Err(refuse("its columns have other names in the files"));
        }
        let views: Vec<_> = self
            .table()
            .get_active_add_actions_by_predicate(None)
            .try_collect()
            .await
            .map_err(|error| self.failed("list", error))?;
        let mut files = Vec::with_capacity(views.len());
        for view in views {
            if view.deletion_vector_descriptor().is_some() {
                return Err(refuse("rows of its files are marked as deleted"));
            }
            if view.path().contains("://") {
                return Err(refuse("it has files of another table"));
            }
            files.push(DataFile {
                key: self.folder().key_of(view.object_store_path().as_ref()),
                rows: view.num_records().map(|rows| rows as u64),
                partition_values: view.partition_values_map(),
            });
        }
        files.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(files)
    }

    /// The columns that are in the files.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(crate) fn data_schema(&self) -> Result<SchemaRef, Error> {
        let partition_by = self.partition_columns()?;
        let schema = self.snapshot()?.snapshot().arrow_schema();
        let fields = schema.fields().iter().filter(|field| !partition_by.contains(field.name())).cloned();
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}
