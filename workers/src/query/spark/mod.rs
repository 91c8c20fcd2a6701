//! The other engine: a Spark Connect endpoint, for jobs that outgrow a machine.
//!
//! The server reads the lake itself and runs the same statements, put into its words ([`translate`]). What a job publishes
//! comes through this process batch by batch and is conformed and written as always, so tables, commits, locks and audits
//! are the same whichever engine computed the rows.

mod batches;
mod connection;
mod convert;
mod failure;
mod tables;
mod translate;

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::error::DataFusionError;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use spark_connect_proto::relation::RelType;
use spark_connect_proto::{LocalRelation, Relation};
use tokio::sync::OnceCell;

use self::connection::{Connection, sql};
use self::tables::Table;
use super::session::Session;
use super::{RemoteError, conform, first_line, ordered};
use crate::job::{Code, JobError};
use crate::lake::delta::Delta;
use crate::lake::{Column, Folder, Rows, columns_of, conform_batches, schema_of};

pub(super) use connection::end_sessions;
pub(super) use failure::Failure;

/// The largest result that is given back to a server as rows: messages of gRPC have 4 MiB where nobody asked for more.
const KEPT_BYTES_MAX: usize = 3 << 20;

/// Whether an address can be one; nothing is connected to.
pub(super) fn check(remote: &str) -> Result<(), RemoteError> {
    connection::parse(remote).map(drop)
}

/// A session on a Spark Connect endpoint, opened when it is first needed.
#[derive(Clone)]
pub(super) struct Spark(Arc<Inner>);

struct Inner {
    remote: String,
    endpoint: String,
    connection: OnceCell<Arc<Connection>>,
    /// Where rows that come back are conformed.
    local: Session,
    /// The columns of tables that were registered from files.
    columns: Mutex<HashMap<String, Vec<Column>>>,
}

impl Spark {
    pub fn new(remote: &str, memory_mb: u64) -> Result<Spark, JobError> {
        let endpoint = connection::parse(remote)?.endpoint();
        Ok(Spark(Arc::new(Inner {
            remote: remote.to_owned(),
            endpoint,
            connection: OnceCell::new(),
            local: Session::beside(memory_mb, 1)?,
            columns: Mutex::default(),
        })))
    }

    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    async fn connection(&self) -> Result<&Arc<Connection>, JobError> {
        self.0.connection.get_or_try_init(|| Connection::open(&self.0.remote)).await
    }

    pub async fn parquet(
        &self,
        name: &str,
        folder: &Folder,
        objects: &[String],
        columns: Option<&[Column]>,
    ) -> Result<Vec<Column>, JobError> {
        let table = Table::of_parquet(&self.0.local, folder, objects, columns).await?;
        self.table(name, &folder.uri(), table).await?;
        Ok(Vec::new())
    }

    pub async fn delta(&self, name: &str, table: &Delta) -> Result<(), JobError> {
        self.table(name, &table.uri(), Table::of_delta(table).await?).await
    }

    async fn table(&self, name: &str, uri: &str, table: Table) -> Result<(), JobError> {
        let connection = self.connection().await?;
        match table.relation(connection.is_spark) {
            None => return self.rows(name, &table.columns, &[]).await,
            Some(relation) => self.name(name, &format!("reading `{uri}`"), relation, table.columns).await?,
        }
        let Some(expected) = table.rows else { return Ok(()) };
        // Not every server says so when it finds a file missing.
        let found = self.count(name).await?;
        if found == expected {
            return Ok(());
        }
        let message = format!(
            "Spark at {} sees {found} rows in the files of `{uri}` that have {expected}: it must reach the lake under the \
             same address as this worker (docs/spark.md)",
            self.endpoint()
        );
        Err(JobError::new(Code::StorageError, message))
    }

    pub async fn rows(&self, name: &str, columns: &[Column], rows: &[RecordBatch]) -> Result<(), JobError> {
        let rows = conform_batches(name, columns, rows)?;
        let relation = if rows.iter().all(|batch| batch.num_rows() == 0) {
            let nulls: Vec<String> = columns
                .iter()
                .map(|column| format!("{} as {}", convert::null(column.kind), translate::name(&column.name)))
                .collect();
            sql(&format!("select {} where false", nulls.join(", ")))
        } else {
            let failed = |error| JobError::new(Code::UnexpectedError, format!("the rows of `{name}`: {error}"));
            let data = batches::encode(&schema_of(columns), &rows).map_err(failed)?;
            let local = LocalRelation { data: Some(data), schema: None };
            Relation { rel_type: Some(RelType::LocalRelation(local)), ..Relation::default() }
        };
        self.name(name, &format!("the rows of `{name}`"), relation, columns.to_vec()).await
    }

    async fn name(&self, name: &str, what: &str, relation: Relation, columns: Vec<Column>) -> Result<(), JobError> {
        let connection = self.connection().await?;
        connection.uncache(name).await?;
        connection.create_view(name, what, relation).await?;
        self.0.columns.lock().insert(name.to_owned(), columns);
        Ok(())
    }

    pub async fn view(&self, name: &str, sql: &str) -> Result<(), JobError> {
        let connection = self.connection().await?;
        connection.uncache(name).await?;
        connection.create_view(name, &what(sql), self::sql(&translate::statement(sql)?)).await?;
        self.0.columns.lock().remove(name);
        Ok(())
    }

    /// Cached on the server where it has a cache. Elsewhere a small result is fetched and given back as rows; a large one is
    /// computed again wherever its name is used.
    pub async fn keep(&self, name: &str, sql: &str) -> Result<u64, JobError> {
        self.view(name, sql).await?;
        let connection = self.connection().await?;
        if connection.is_spark {
            connection.cache(name, &what(sql)).await?;
            return self.count(name).await;
        }
        let mut rows = connection.execute(&what(sql), self::sql(&format!("select * from {name}"))).await?;
        let (mut batches, mut bytes) = (Vec::<RecordBatch>::new(), 0);
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            bytes += batch.get_array_memory_size();
            if bytes > KEPT_BYTES_MAX {
                return self.count(name).await;
            }
            batches.push(batch);
        }
        let Some(first) = batches.first() else { return Ok(0) };
        self.rows(name, &columns_of(&first.schema()), &batches).await?;
        Ok(batches.iter().map(|batch| batch.num_rows() as u64).sum())
    }

    async fn count(&self, name: &str) -> Result<u64, JobError> {
        use deltalake::arrow::array::AsArray;
        use deltalake::arrow::datatypes::Int64Type;
        let batches = self.collect(&format!("select count(*) as total from {name}")).await?;
        let counts = batches.iter().filter_map(|batch| batch.column(0).as_primitive_opt::<Int64Type>());
        let count = counts.flatten().flatten().next().and_then(|count| u64::try_from(count).ok());
        let message = format!("Spark at {} does not say how many rows `{name}` has", self.endpoint());
        count.ok_or_else(|| JobError::new(Code::UnexpectedError, message))
    }

    pub async fn collect(&self, sql: &str) -> Result<Vec<RecordBatch>, JobError> {
        let connection = self.connection().await?;
        let rows = connection.execute(&what(sql), self::sql(&translate::statement(sql)?)).await?;
        Ok(rows.try_collect().await?)
    }

    pub async fn stream(&self, sql: &str, columns: &[Column]) -> Result<Rows, JobError> {
        let connection = self.connection().await?;
        let mut rows = connection.execute(&what(sql), self::sql(&translate::statement(sql)?)).await?.peekable();
        let schema: SchemaRef = match std::pin::Pin::new(&mut rows).peek().await {
            Some(Ok(batch)) => batch.schema(),
            Some(Err(failure)) => return Err(failure.clone().into()),
            None => schema_of(columns),
        };
        tracing::info!("Spark at {} gives the rows to write", self.endpoint());
        let failed = |error| super::failure::failure("the rows to write", &error);
        let computed = rows.map(|batch| batch.map_err(|failure| DataFusionError::External(failure.into()))).boxed();
        let frame = ordered::frame(&self.0.local, schema, computed);
        let frame = frame.and_then(|frame| conform::finite_frame(frame, columns));
        let stream = frame.map_err(failed)?.execute_stream().await.map_err(failed)?;
        let batches = stream.map(|batch| batch.map_err(Into::into)).boxed();
        Ok(Rows::new(columns.to_vec(), batches, Some(self.0.clone())))
    }

    pub async fn columns(&self, name: &str) -> Result<Vec<Column>, JobError> {
        if let Some(columns) = self.0.columns.lock().get(name) {
            return Ok(columns.clone());
        }
        let batches = self.collect(&format!("select * from {name} limit 0")).await?;
        let message = format!("Spark at {} does not say which columns `{name}` has", self.endpoint());
        let first = batches.first().ok_or_else(|| JobError::new(Code::UnexpectedError, message))?;
        Ok(columns_of(&first.schema()))
    }
}

/// What a statement is called in messages.
fn what(sql: &str) -> String {
    format!("the statement `{}`", first_line(sql))
}
