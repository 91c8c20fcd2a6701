//! Scans whose failures name the file: a decoder only says what is wrong with a page.

use std::error::Error as StdError;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion_datasource::PartitionedFile;
use datafusion_datasource::TableSchema;
use datafusion_datasource::file::FileSource;
use datafusion_datasource::file_scan_config::FileScanConfig;
use datafusion_datasource::file_stream::FileOpener;
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::error::ArrowError;
use deltalake::datafusion::common::Result;
use deltalake::datafusion::common::tree_node::TreeNodeRecursion;
use deltalake::datafusion::datasource::physical_plan::ParquetSource;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::physical_expr::PhysicalExpr;
use deltalake::datafusion::physical_expr::projection::ProjectionExprs;
use deltalake::datafusion::physical_plan::DisplayFormatType;
use deltalake::datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use deltalake::parquet::errors::ParquetError;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;

use crate::lake;

/// A source of Parquet files as it stands in a finished plan.
#[derive(Clone)]
pub(super) struct NamedSource {
    inner: Arc<dyn FileSource>,
    /// The URL of the store, before a file's location; empty if the locations say all.
    place: Arc<str>,
}

impl NamedSource {
    pub fn new(inner: ParquetSource, place: &str) -> NamedSource {
        NamedSource { inner: Arc::new(inner), place: place.into() }
    }
}

impl FileSource for NamedSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let inner = self.inner.create_morselizer(store, config, partition)?;
        Ok(Box::new(Named { inner, file: self.place.clone() }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, rows: usize) -> Arc<dyn FileSource> {
        Arc::new(NamedSource { inner: self.inner.with_batch_size(rows), place: self.place.clone() })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(kind, out)
    }

    fn apply_expressions(
        &self,
        look: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(look)
    }
}

/// A step of reading a file, and the file.
#[derive(Debug)]
struct Named<T> {
    inner: T,
    file: Arc<str>,
}

impl Morselizer for Named<Box<dyn Morselizer>> {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let uri: Arc<str> = format!("{}{}", self.file, file.object_meta.location).into();
        let inner = self.inner.plan_file(file).map_err(|error| named(&uri, error))?;
        Ok(Box::new(Named { inner, file: uri }))
    }
}

impl MorselPlanner for Named<Box<dyn MorselPlanner>> {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Named { inner, file } = *self;
        let Some(mut plan) = inner.plan().map_err(|error| named(&file, error))? else { return Ok(None) };
        let planner = |inner, file: &Arc<str>| Box::new(Named { inner, file: file.clone() }) as Box<dyn MorselPlanner>;
        let morsels = plan.take_morsels().into_iter();
        let morsels = morsels.map(|inner| Box::new(Named { inner, file: file.clone() }) as Box<dyn Morsel>).collect();
        let planners = plan.take_ready_planners().into_iter().map(|inner| planner(inner, &file)).collect();
        let pending = plan.take_pending_planner();
        let mut plan = MorselPlan::new().with_morsels(morsels).with_planners(planners);
        if let Some(pending) = pending {
            plan.set_pending_planner(async move {
                let inner = pending.into_future().await.map_err(|error| named(&file, error))?;
                Ok(planner(inner, &file))
            });
        }
        Ok(Some(plan))
    }
}

impl Morsel for Named<Box<dyn Morsel>> {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Named { inner, file } = *self;
        // Decoders take more on trust than they should.
        let batches = AssertUnwindSafe(inner.into_stream()).catch_unwind();
        batches
            .map(move |batch| match batch {
                Ok(batch) => batch.map_err(|error| named(&file, error)),
                Err(_) => Err(unreadable(&file, "the decoder broke off".to_owned())),
            })
            .boxed()
    }
}

/// What a decoder says, with the file's name; other failures as they are.
fn named(file: &str, error: DataFusionError) -> DataFusionError {
    let causes = || std::iter::successors(Some(&error as &(dyn StdError + 'static)), |error| (*error).source());
    // These name it already, or have nothing to do with its bytes.
    if causes().any(|cause| cause.is::<lake::Error>() || cause.is::<object_store::Error>()) {
        return error;
    }
    let decoding = causes().find(|cause| {
        let arrow = cause.downcast_ref::<ArrowError>();
        cause.is::<ParquetError>() || arrow.is_some_and(|error| matches!(error, ArrowError::ParquetError(_)))
    });
    match decoding {
        Some(cause) => unreadable(file, cause.to_string()),
        None => error,
    }
}

fn unreadable(file: &str, reason: String) -> DataFusionError {
    DataFusionError::External(Box::new(lake::Error::Unreadable { uri: file.to_owned(), format: "Parquet", reason }))
}
