//! The engine of this machine: DataFusion, with the memory a job is allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deltalake::arrow::array::RecordBatch;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::Result as PlanResult;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::physical_plan::common::spawn_buffered;
use deltalake::datafusion::prelude::DataFrame;
use futures::{StreamExt, TryStreamExt};

use super::conform;
use super::failure::failure;
use super::first_line;
use super::keep;
use super::ordered;
use super::parquet;
use super::session::Session;
use crate::job::JobError;
use crate::lake::delta::Delta;
use crate::lake::{Column, Folder, Rows, columns_of, conform_batches, schema_of};

/// Batches that are ready while one is written.
const ROWS_AHEAD: usize = 2;

/// A session of DataFusion.
#[derive(Clone)]
pub(super) struct Local {
    session: Session,
    kept: Arc<AtomicU64>,
}

impl Local {
    pub fn new(memory_mb: u64, beside: usize) -> Result<Local, JobError> {
        Ok(Local { session: Session::beside(memory_mb, beside)?, kept: Arc::default() })
    }

    pub fn memory_mb(&self) -> u64 {
        self.session.memory_mb
    }

    /// Where results are kept.
    #[cfg(test)]
    pub fn place(&self) -> &std::path::Path {
        self.session.place()
    }

    pub fn merge_joins(&self) -> Local {
        Local { session: self.session.merge_joins(), kept: self.kept.clone() }
    }

    pub async fn parquet(
        &self,
        name: &str,
        folder: &Folder,
        objects: &[String],
        columns: Option<&[Column]>,
    ) -> Result<Vec<Column>, JobError> {
        let (provider, losing) = parquet::provider(&self.session, folder, objects, columns).await?;
        self.register(name, provider)?;
        Ok(losing)
    }

    pub async fn delta(&self, name: &str, table: &Delta) -> Result<(), JobError> {
        self.session.register_store(table.folder());
        let state = Arc::new(self.session.context.state());
        let provider = table.table().table_provider().with_session(state).build().await;
        let provider = provider.map_err(|error| failure(&format!("the table `{}`", table.uri()), &error))?;
        let frame = self.session.context.read_table(Arc::new(provider)).map_err(|error| failure(name, &error))?;
        // Types are ours from here on, whatever the scan prefers.
        let mut columns = table.columns();
        let bytes = frame.schema().fields().iter().filter(|field| field.data_type().is_binary());
        columns.extend(bytes.map(|field| conform::lost_column(field.name())));
        let frame = conform::frame(frame, &columns).map_err(|error| failure(name, &error))?;
        self.register(name, frame.into_view())
    }

    pub fn rows(&self, name: &str, columns: &[Column], rows: &[RecordBatch]) -> Result<(), JobError> {
        let rows = conform_batches(name, columns, rows)?;
        let table = MemTable::try_new(schema_of(columns), vec![rows]).map_err(|error| failure(name, &error))?;
        self.register(name, Arc::new(table))
    }

    pub async fn view(&self, name: &str, sql: &str) -> Result<(), JobError> {
        let view = self.plan(sql).await?.into_view();
        self.register(name, view)
    }

    /// Kept as Parquet in the temporary folder.
    pub async fn keep(&self, name: &str, sql: &str) -> Result<u64, JobError> {
        let frame = self.plan(sql).await?;
        let number = self.kept.fetch_add(1, Ordering::Relaxed);
        let kept = keep::write(&self.session, frame, number, &format!("the intermediate result `{name}`")).await?;
        let provider = parquet::local(&self.session, &kept.paths, kept.schema);
        self.register(name, provider.map_err(|error| failure(name, &error))?)?;
        Ok(kept.rows)
    }

    pub async fn stream(&self, sql: &str, columns: &[Column]) -> Result<Rows, JobError> {
        let frame = self.plan(sql).await?;
        self.rows_of(frame, columns, conform::finite_frame).await
    }

    pub async fn collect(&self, sql: &str) -> Result<Vec<RecordBatch>, JobError> {
        let frame = self.plan(sql).await?;
        let what = format!("the statement `{}`", first_line(sql));
        let stream = frame.execute_stream().await.map_err(|error| failure(&what, &error))?;
        stream.try_collect().await.map_err(|error| failure(&what, &error))
    }

    pub async fn columns(&self, name: &str) -> Result<Vec<Column>, JobError> {
        let table = self.session.context.table_provider(name).await;
        let table = table.map_err(|error| failure(&format!("the table `{name}`"), &error))?;
        Ok(columns_of(&table.schema()))
    }

    async fn plan(&self, sql: &str) -> Result<DataFrame, JobError> {
        let planned = self.session.context.sql(sql).await;
        planned.map_err(|error| failure(&format!("the statement `{}`", first_line(sql)), &error))
    }

    async fn rows_of(
        &self,
        frame: DataFrame,
        columns: &[Column],
        conform: fn(DataFrame, &[Column]) -> PlanResult<DataFrame>,
    ) -> Result<Rows, JobError> {
        let failed = |error| failure("the rows to write", &error);
        // Computed by a task of its own, so that the next rows are made while these are written.
        let computed = spawn_buffered(frame.execute_stream().await.map_err(failed)?, ROWS_AHEAD);
        let frame = ordered::frame(&self.session, computed.schema(), computed.boxed());
        let frame = frame.and_then(|frame| conform(frame, columns)).map_err(failed)?;
        let stream = frame.execute_stream().await.map_err(failed)?;
        let batches = stream.map(|batch| batch.map_err(Into::into)).boxed();
        Ok(Rows::new(columns.to_vec(), batches, Some(self.session.keep_alive())))
    }

    fn register(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<(), JobError> {
        let context = &self.session.context;
        let registered = context.deregister_table(name).and_then(|_| context.register_table(name, provider));
        registered.map(drop).map_err(|error| failure(&format!("the table `{name}`"), &error))
    }
}
