//! SQL over the lake, in bounded memory.
//!
//! A [`Query`] is a DataFusion session of one job: tables over Parquet objects and Delta tables, named intermediate results,
//! statements with parameters. Memory is what `STEPWELL_QUERY_MEMORY_MIB` allows; sorts, aggregations and kept results beyond
//! it go to a temporary folder that is removed with the session. What a job publishes it takes as [`Rows`] and hands to
//! [`crate::lake::publish`] or [`crate::lake::delta`].
//!
//! Statements run on all cores, so rows come in any order unless the statement says otherwise: **every statement whose rows
//! are published ends in an `order by` that leaves no ties**, and sums of floats are rounded before they are compared.
//!
//! The SQL is kept to what Spark understands as well, so that the same files run there ([`dialect`]). Names without quotes
//! are lower case.

mod conform;
pub mod dialect;
mod failure;
mod function;
mod json;
mod parameter;
mod parquet;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deltalake::arrow::array::RecordBatch;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::Result as PlanResult;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::prelude::DataFrame;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value as Json};

use crate::job::{Code, JobContext, JobError};
use crate::lake::delta::Delta;
use crate::lake::{Codec, Folder, ParquetFile, columns_of, conform_batches, schema_of};

pub use crate::lake::{Column, Kind, Rows, column};
pub(crate) use failure::rows_failure;
pub use function::{parse_number, round_half_away, text_of_float, text_of_timestamp};
pub(crate) use json::rows as json_rows;
pub use parameter::Value;
pub(crate) use session::memory_bytes;
pub use session::{MEMORY_MB_DEFAULT, MEMORY_VARIABLE};

use self::failure::failure;
use self::session::Session;

/// A SQL session of a job; cheap to clone.
#[derive(Clone)]
pub struct Query {
    session: Session,
    kept: Arc<AtomicU64>,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").field("memory_mb", &self.session.memory_mb).finish_non_exhaustive()
    }
}

impl Query {
    /// A session with the memory that `STEPWELL_QUERY_MEMORY_MIB` allows ([`MEMORY_MB_DEFAULT`] without it).
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` if the variable is no number, `STORAGE_ERROR` without a temporary folder.
    pub fn new(context: &JobContext) -> Result<Query, JobError> {
        Query::with_memory(context, session::memory_mb()?)
    }

    /// A session with so many MiB of memory.
    ///
    /// # Errors
    /// `STORAGE_ERROR` without a temporary folder.
    pub fn with_memory(_context: &JobContext, memory_mb: u64) -> Result<Query, JobError> {
        Ok(Query { session: Session::new(memory_mb)?, kept: Arc::default() })
    }

    /// The same session and tables, with joins by sorting, which spill; other joins hold one side in memory. For joins that
    /// are large on both sides.
    #[must_use]
    pub fn merge_joins(&self) -> Query {
        Query { session: self.session.merge_joins(), kept: self.kept.clone() }
    }

    /// Registers a table over exactly these Parquet objects of a folder, columns united by name.
    ///
    /// `columns: None` takes them as found, in the order they appear; an absent one is null, and where objects differ in a
    /// column's type it is widened (to text, unless both are integers or instants). With `Some`, exactly those columns:
    /// absent ones are null, present ones cast (what cannot be is null), others dropped; no objects make an empty table.
    ///
    /// # Errors
    /// `SCHEMA_VALIDATION_FAILED` naming an object that is no Parquet file, `NO_INPUT_DATA` without objects and columns,
    /// `STORAGE_ERROR`.
    pub async fn parquet(
        &self,
        name: &str,
        folder: &Folder,
        objects: &[String],
        columns: Option<&[Column]>,
    ) -> Result<(), JobError> {
        let provider = match (objects, columns) {
            ([], Some(columns)) => return self.rows(name, columns, Vec::new()),
            ([], None) => {
                let message = format!("`{}` has no objects to make the table `{name}` of", folder.uri());
                return Err(JobError::new(Code::NoInputData, message));
            }
            _ => parquet::provider(&self.session, folder, objects, columns).await?,
        };
        self.register(name, provider)
    }

    /// Registers a Delta table at the version it is loaded at.
    ///
    /// # Errors
    /// `STORAGE_ERROR`, `UNEXPECTED_ERROR`.
    pub async fn delta(&self, name: &str, table: &Delta) -> Result<(), JobError> {
        self.session.register_store(table.folder());
        let state = Arc::new(self.session.context.state());
        let provider = table.table().table_provider().with_session(state).build().await;
        let provider = provider.map_err(|error| failure(&format!("the table `{}`", table.uri()), &error))?;
        let frame = self.session.context.read_table(Arc::new(provider)).map_err(|error| failure(name, &error))?;
        // Types are ours from here on, whatever the scan prefers.
        let frame = conform::frame(frame, &table.columns()).map_err(|error| failure(name, &error))?;
        self.register(name, frame.into_view())
    }

    /// Registers rows that are in memory, taken by column name and cast.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` if a column cannot be cast.
    pub fn rows(&self, name: &str, columns: &[Column], rows: Vec<RecordBatch>) -> Result<(), JobError> {
        let rows = conform_batches(name, columns, &rows)?;
        let table = MemTable::try_new(schema_of(columns), vec![rows]).map_err(|error| failure(name, &error))?;
        self.register(name, Arc::new(table))
    }

    /// Names a statement; it is computed wherever the name is used.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` naming what the statement has wrong.
    pub async fn view(&self, name: &str, sql: &str, parameters: &[(&str, Value)]) -> Result<(), JobError> {
        let view = self.run(sql, parameters).await?.into_view();
        self.register(name, view)
    }

    /// Computes a statement once and names the result, kept as Parquet in the temporary folder; returns its rows. For what
    /// several later statements read.
    ///
    /// # Errors
    /// As [`Query::stream`].
    pub async fn keep(&self, name: &str, sql: &str, parameters: &[(&str, Value)]) -> Result<u64, JobError> {
        let frame = self.run(sql, parameters).await?;
        let columns = columns_of(frame.schema().as_arrow());
        let mut rows = self.rows_of(frame, &columns, conform::frame).await?;
        let number = self.kept.fetch_add(1, Ordering::Relaxed);
        let path = self.session.place().join(format!("kept-{number}.parquet"));
        let uri = format!("the intermediate result `{name}`");
        let mut file = ParquetFile::create(&path, rows.schema(), Codec::Lz4, &uri)?;
        while let Some(batch) = rows.next(&uri).await? {
            file = file.write(batch).await?;
        }
        let kept = file.finish().await?;
        let provider = parquet::local(&self.session, &kept.path, rows.schema());
        self.register(name, provider.map_err(|error| failure(name, &error))?)?;
        Ok(kept.rows)
    }

    /// Plans a statement. `${name}` is replaced by the parameter as a literal of SQL.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` for an unknown parameter, or naming what the statement has wrong.
    pub async fn run(&self, sql: &str, parameters: &[(&str, Value)]) -> Result<DataFrame, JobError> {
        let sql = parameter::substitute(sql, parameters)?;
        let planned = self.session.context.sql(&sql).await;
        planned.map_err(|error| failure(&format!("the statement `{}`", first_line(&sql)), &error))
    }

    /// The rows of a statement with exactly these columns, in this order: absent ones null, others dropped, all cast; numbers
    /// that are not finite are null.
    ///
    /// # Errors
    /// As [`Query::run`]; what goes wrong later comes out of the rows.
    pub async fn stream(&self, sql: &str, parameters: &[(&str, Value)], columns: &[Column]) -> Result<Rows, JobError> {
        let frame = self.run(sql, parameters).await?;
        self.rows_of(frame, columns, conform::finite_frame).await
    }

    /// The rows of a statement as JSON objects: for metrics and checks, not for data. Dates and instants are ISO text.
    ///
    /// # Errors
    /// As [`Query::run`]; `UNEXPECTED_ERROR` with the variable's name if memory does not suffice.
    pub async fn json(&self, sql: &str, parameters: &[(&str, Value)]) -> Result<Vec<Map<String, Json>>, JobError> {
        let frame = self.run(sql, parameters).await?;
        let what = format!("the statement `{}`", first_line(sql));
        let stream = frame.execute_stream().await.map_err(|error| failure(&what, &error))?;
        let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(|error| failure(&what, &error))?;
        json::rows(&batches)
    }

    /// The columns of a registered table.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` if there is none of that name.
    pub async fn columns(&self, name: &str) -> Result<Vec<Column>, JobError> {
        let table = self.session.context.table_provider(name).await;
        let table = table.map_err(|error| failure(&format!("the table `{name}`"), &error))?;
        Ok(columns_of(&table.schema()))
    }

    async fn rows_of(
        &self,
        frame: DataFrame,
        columns: &[Column],
        conform: fn(DataFrame, &[Column]) -> PlanResult<DataFrame>,
    ) -> Result<Rows, JobError> {
        let frame = conform(frame, columns).map_err(|error| failure("the rows to write", &error))?;
        let stream = frame.execute_stream().await.map_err(|error| failure("the rows to write", &error))?;
        let batches = stream.map(|batch| batch.map_err(Into::into)).boxed();
        Ok(Rows::new(columns.to_vec(), batches, Some(self.session.keep_alive())))
    }

    fn register(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<(), JobError> {
        let context = &self.session.context;
        let registered = context.deregister_table(name).and_then(|_| context.register_table(name, provider));
        registered.map(drop).map_err(|error| failure(&format!("the table `{name}`"), &error))
    }
}

/// What tells a statement from others in a message.
fn first_line(sql: &str) -> &str {
    let mut lines = sql.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with("--")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
