//! Rows on their way: known columns and a stream of batches, never the whole table in memory.

use std::any::Any;
use std::sync::Arc;

use deltalake::arrow::array::{Array, RecordBatch, new_null_array};
use deltalake::arrow::compute::{BatchCoalescer, cast};
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::arrow::error::ArrowError;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::column::schema_of;
use super::error::Cause;
use super::{Column, Error};

/// Rows per batch as they are encoded; with it the bytes of a file depend on the rows alone, not on how they came.
const BATCH_ROWS: usize = 8_192;
/// A batch of fewer rows is let go when they take more than this, in bytes.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// A stream of rows with exactly these columns. What it reads from (spilled data) lives as long as it does.
pub struct Rows {
    columns: Vec<Column>,
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch, Cause>>,
    waiting: BatchCoalescer,
    /// What rows came to, in bytes, since a batch was let go.
    waiting_bytes: usize,
    ended: bool,
    _source: Option<Arc<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Rows {
    /// Rows that are in memory. Their columns are taken by name and cast; absent ones are null.
    pub fn of(columns: &[Column], batches: Vec<RecordBatch>) -> Rows {
        Rows::conformed(columns, stream::iter(batches).map(Ok).boxed())
    }

    /// Rows that come by and by, treated as those of [`Rows::of`].
    pub(crate) fn conformed(columns: &[Column], batches: BoxStream<'static, Result<RecordBatch, Cause>>) -> Rows {
        let wanted = schema_of(columns);
        let batches = batches.map(move |batch| Ok(conform(&batch?, &wanted)?));
        Rows::new(columns.to_vec(), batches.boxed(), None)
    }

    /// A stream whose batches have the types of `columns` already; `source` is dropped after the last of them.
    pub(crate) fn new(
        columns: Vec<Column>,
        batches: BoxStream<'static, Result<RecordBatch, Cause>>,
        source: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Rows {
        let schema = schema_of(&columns);
        let waiting = BatchCoalescer::new(schema.clone(), BATCH_ROWS);
        Rows { columns, schema, batches, waiting, waiting_bytes: 0, ended: false, _source: source }
    }

    /// The rows with only these of their columns; `look` sees each batch before, with all of them.
    pub(crate) fn seen(self, columns: Vec<Column>, mut look: impl FnMut(&RecordBatch) + Send + 'static) -> Rows {
        let place = |column: &Column| self.columns.iter().position(|found| found.name == column.name);
        let places: Vec<usize> = columns.iter().filter_map(place).collect();
        let all = self.schema;
        let batches = self.batches.map(move |batch| {
            let batch = RecordBatch::try_new(all.clone(), batch?.columns().to_vec())?;
            look(&batch);
            Ok(batch.project(&places)?)
        });
        Rows::new(columns, batches.boxed(), self._source)
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns as Arrow has them.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next batch, of `BATCH_ROWS` rows but for the last, and for rows that are very long; `None` after it. `uri` is where the
    /// rows go, for errors.
    ///
    /// # Errors
    /// [`Error::Rows`] if the rows cannot be computed.
    pub async fn next(&mut self, uri: &str) -> Result<Option<RecordBatch>, Error> {
        let failed = |source: Cause| Error::Rows { uri: uri.to_owned(), source };
        loop {
            if let Some(batch) = self.waiting.next_completed_batch() {
                self.waiting_bytes = 0;
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match self.batches.next().await {
                Some(batch) => {
                    let batch = batch.map_err(failed)?;
                    // Nullability and metadata of the plan's schema are not ours.
                    let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec());
                    let pushed = batch.and_then(|batch| self.push(batch));
                    pushed.map_err(|error| failed(error.into()))?;
                }
                None => {
                    self.ended = true;
                    self.waiting.finish_buffered_batch().map_err(|error| failed(error.into()))?;
                }
            }
        }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<(), ArrowError> {
        for column in batch.columns() {
            self.waiting_bytes += column.to_data().get_slice_memory_size()?;
        }
        self.waiting.push_batch(batch)?;
        if self.waiting_bytes > BATCH_BYTES_MAX {
            self.waiting.finish_buffered_batch()?;
        }
        Ok(())
    }

    /// All rows; for small results only.
    ///
    /// # Errors
    /// As [`Rows::next`].
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, Error> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next("memory").await? {
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// Batches with exactly these columns, by name. `uri` is where they go, for errors.
///
/// # Errors
/// [`Error::Rows`] if a column cannot be cast.
pub(crate) fn conform_batches(
    uri: &str,
    columns: &[Column],
    batches: &[RecordBatch],
) -> Result<Vec<RecordBatch>, Error> {
    let schema = schema_of(columns);
    let failed = |error: ArrowError| Error::Rows { uri: uri.to_owned(), source: error.into() };
    batches.iter().map(|batch| conform(batch, &schema).map_err(failed)).collect()
}

fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => cast(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}
