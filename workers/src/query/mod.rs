//! SQL over the lake, in bounded memory.
//!
//! A [`Query`] is a SQL session of one job: tables over Parquet objects and Delta tables, named intermediate results,
//! statements with parameters. What a job publishes it takes as [`Rows`] and hands to [`crate::lake::publish`] or
//! [`crate::lake::delta`]: whichever engine computes them, publishing is ours.
//!
//! There are two engines. On this machine (`local`) it is DataFusion, with the memory that `STEPWELL_QUERY_MEMORY_MIB`
//! allows; sorts, aggregations and kept results beyond it go to a temporary folder that is removed with the session. For a
//! job that is bound to Spark (`spark`, a build with the feature of that name) it is a Spark Connect endpoint, which reads
//! the lake itself; only the rows to publish come through this process.
//!
//! Statements run on all cores, so rows come in any order unless the statement says otherwise: **every statement whose rows
//! are published ends in an `order by` that leaves no ties**, and sums of floats are rounded before they are compared.
//!
//! The SQL is kept to what Spark understands as well, so that the same files run there ([`dialect`]). Names without quotes
//! are lower case.

mod bounds;
mod conform;
pub mod dialect;
mod failure;
mod first_row;
mod function;
mod held;
mod json;
mod keep;
mod local;
mod named;
mod ordered;
mod parameter;
mod parquet;
mod remote;
mod session;
#[cfg(feature = "spark")]
mod spark;
mod upkeep;

use deltalake::arrow::array::RecordBatch;
use serde_json::{Map, Value as Json};

use self::local::Local;
use crate::job::{Code, JobContext, JobError};
use crate::lake::Folder;
use crate::lake::delta::Delta;

pub use crate::lake::{Column, Kind, Rows, column};
pub(crate) use failure::rows_failure;
pub use function::{parse_number, round_half_away, text_of_float, text_of_timestamp};
pub(crate) use json::rows as json_rows;
pub use parameter::Value;
pub use remote::{REMOTE_VARIABLE, RemoteError};
pub(crate) use remote::{check_remote, end_sessions, remote_of_environment};
pub(crate) use session::memory_bytes;
pub use session::{MEMORY_MB_DEFAULT, MEMORY_VARIABLE};
pub(crate) use upkeep::upkeep_session;

/// A SQL session of a job; cheap to clone.
#[derive(Clone)]
pub struct Query {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Local(Local),
    #[cfg(feature = "spark")]
    Spark(spark::Spark),
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Query");
        match &self.engine {
            Engine::Local(local) => shown.field("memory_mb", &local.memory_mb()),
            #[cfg(feature = "spark")]
            Engine::Spark(spark) => shown.field("spark", &spark.endpoint()),
        };
        shown.finish_non_exhaustive()
    }
}

/// Calls the engine.
macro_rules! engine {
    ($self:ident, $engine:ident => $call:expr) => {
        match &$self.engine {
            Engine::Local($engine) => $call,
            #[cfg(feature = "spark")]
            Engine::Spark($engine) => $call,
        }
    };
}

impl Query {
    /// A session of the engine that the job is to use: on this machine with the memory that `STEPWELL_QUERY_MEMORY_MIB`
    /// allows ([`MEMORY_MB_DEFAULT`] without it), or on the context's Spark Connect endpoint, which is connected to when
    /// it is first needed.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` if the variable is no number or the endpoint no address, `STORAGE_ERROR` without a temporary
    /// folder.
    pub fn new(context: &JobContext) -> Result<Query, JobError> {
        Query::with_memory(context, session::memory_mb()?)
    }

    /// A session with so many MiB of memory.
    ///
    /// # Errors
    /// As [`Query::new`].
    pub fn with_memory(context: &JobContext, memory_mb: u64) -> Result<Query, JobError> {
        Query::on(context, memory_mb, 1)
    }

    /// How many sessions may work side by side on as many pieces of work. Spark spreads each piece itself.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` if the variable is no number.
    pub fn at_once(context: &JobContext, pieces: usize) -> Result<usize, JobError> {
        Ok(if context.spark_remote().is_some() { 1 } else { session::at_once(session::memory_mb()?, pieces) })
    }

    /// One of `sessions` that work side by side, with its share of memory and cores. It is not for joins: with one core they
    /// do not spill.
    ///
    /// # Errors
    /// As [`Query::new`].
    pub fn beside(context: &JobContext, sessions: usize) -> Result<Query, JobError> {
        Query::on(context, session::memory_mb()?, sessions)
    }

    fn on(context: &JobContext, memory_mb: u64, sessions: usize) -> Result<Query, JobError> {
        let engine = match context.spark_remote() {
            None => Engine::Local(Local::new(memory_mb, sessions)?),
            #[cfg(feature = "spark")]
            Some(remote) => Engine::Spark(spark::Spark::new(remote, memory_mb)?),
            #[cfg(not(feature = "spark"))]
            Some(remote) => return Err(check_remote(remote).expect_err("this build has no Spark").into()),
        };
        Ok(Query { engine })
    }

    /// The same session and tables, with joins by sorting, which spill, unless a side is known to be small; other joins hold
    /// one side in memory. For joins that are large on both sides. Spark decides for itself.
    #[must_use]
    pub fn merge_joins(&self) -> Query {
        let engine = match &self.engine {
            Engine::Local(local) => Engine::Local(local.merge_joins()),
            #[cfg(feature = "spark")]
            Engine::Spark(spark) => Engine::Spark(spark.clone()),
        };
        Query { engine }
    }

    /// Registers a table over exactly these Parquet objects of a folder, columns united by name.
    ///
    /// `columns: None` takes them as found, in the order they appear; an absent one is null, and where objects differ in a
    /// column's type it is widened (to text, unless both are integers or instants). With `Some`, exactly those columns:
    /// absent ones are null, present ones cast (what cannot be is null), others dropped; no objects make an empty table.
    ///
    /// The answer, without `columns`: what to ask for, beside those found, to learn of values they lose ([`lost_column`]); empty
    /// where each object has each column in a type that fits, and on Spark.
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
    ) -> Result<Vec<Column>, JobError> {
        match (objects, columns) {
            ([], Some(columns)) => self.rows(name, columns, Vec::new()).await.map(|()| Vec::new()),
            ([], None) => {
                let message = format!("`{}` has no objects to make the table `{name}` of", folder.uri());
                Err(JobError::new(Code::NoInputData, message))
            }
            _ => engine!(self, engine => engine.parquet(name, folder, objects, columns).await),
        }
    }

    /// Registers a Delta table at the version it is loaded at.
    ///
    /// # Errors
    /// `STORAGE_ERROR`, `UNEXPECTED_ERROR`.
    pub async fn delta(&self, name: &str, table: &Delta) -> Result<(), JobError> {
        engine!(self, engine => engine.delta(name, table).await)
    }

    /// Registers rows that are in memory, taken by column name and cast.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` if a column cannot be cast.
    pub async fn rows(&self, name: &str, columns: &[Column], rows: Vec<RecordBatch>) -> Result<(), JobError> {
        match &self.engine {
            Engine::Local(local) => local.rows(name, columns, &rows),
            #[cfg(feature = "spark")]
            Engine::Spark(spark) => spark.rows(name, columns, &rows).await,
        }
    }

    /// Names a statement; it is computed wherever the name is used. `${name}` is replaced by the parameter as a literal.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` for an unknown parameter, or naming what the statement has wrong.
    pub async fn view(&self, name: &str, sql: &str, parameters: &[(&str, Value)]) -> Result<(), JobError> {
        let sql = parameter::substitute(sql, parameters)?;
        engine!(self, engine => engine.view(name, &sql).await)
    }

    /// Computes a statement once and names the result, kept as Parquet in the temporary folder (Spark: in its cache, where
    /// it has one); returns its rows. For what several later statements read.
    ///
    /// # Errors
    /// As [`Query::stream`].
    pub async fn keep(&self, name: &str, sql: &str, parameters: &[(&str, Value)]) -> Result<u64, JobError> {
        let sql = parameter::substitute(sql, parameters)?;
        engine!(self, engine => engine.keep(name, &sql).await)
    }

    /// The rows of a statement with exactly these columns, in this order: absent ones null, others dropped, all cast; numbers
    /// that are not finite are null.
    ///
    /// # Errors
    /// As [`Query::view`]; what goes wrong later comes out of the rows.
    pub async fn stream(&self, sql: &str, parameters: &[(&str, Value)], columns: &[Column]) -> Result<Rows, JobError> {
        let sql = parameter::substitute(sql, parameters)?;
        engine!(self, engine => engine.stream(&sql, columns).await)
    }

    /// The rows of a statement as JSON objects: for metrics and checks, not for data. Dates and instants are ISO text.
    ///
    /// # Errors
    /// As [`Query::view`]; `UNEXPECTED_ERROR` with the variable's name if memory does not suffice.
    pub async fn json(&self, sql: &str, parameters: &[(&str, Value)]) -> Result<Vec<Map<String, Json>>, JobError> {
        let sql = parameter::substitute(sql, parameters)?;
        json::rows(&engine!(self, engine => engine.collect(&sql).await)?)
    }

    /// The columns of a registered table.
    ///
    /// # Errors
    /// `UNEXPECTED_ERROR` if there is none of that name.
    pub async fn columns(&self, name: &str) -> Result<Vec<Column>, JobError> {
        engine!(self, engine => engine.columns(name).await)
    }
}

/// The column that says what is lost where `name` is read, for tables it is asked of beside `name` ([`Query::parquet`]; of Delta
/// tables, for columns of bytes): the type of a nested value, bytes that are not UTF-8, in hex, or, where `name` is text, a number
/// that has none (NaN, an infinity). Null where nothing is lost. On this machine only.
pub(crate) fn lost_column(name: &str) -> Column {
    conform::lost_column(name)
}

/// What tells a statement from others in a message.
fn first_line(sql: &str) -> &str {
    let mut lines = sql.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with("--")).unwrap_or_default()
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
