//! Rows that a statement gives, as the source of one more plan that leaves them in their order.
//!
//! What is done to rows on their way out (`conform`) must not be part of the statement's own plan: DataFusion deals sorted
//! rows out to several of a projection above the sort, and gets them back in whatever order.

use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::catalog::streaming::StreamingTable;
use deltalake::datafusion::common::Result as PlanResult;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::{SendableRecordBatchStream, TaskContext};
use deltalake::datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::datafusion::physical_plan::streaming::PartitionStream;
use deltalake::datafusion::prelude::DataFrame;
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;

use super::session::Session;

/// Rows as they are computed.
pub(super) type Computed = BoxStream<'static, PlanResult<RecordBatch>>;

/// A frame over these rows; it can be executed once.
pub(super) fn frame(session: &Session, schema: SchemaRef, rows: Computed) -> PlanResult<DataFrame> {
    let source = Source { schema: schema.clone(), rows: Mutex::new(Some(rows)) };
    let table = StreamingTable::try_new(schema, vec![Arc::new(source)])?;
    session.in_order().read_table(Arc::new(table))
}

struct Source {
    schema: SchemaRef,
    rows: Mutex<Option<Computed>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let twice = || DataFusionError::Internal("the rows of a statement are read twice".to_owned());
        let rows = self.rows.lock().take();
        let rows = rows.unwrap_or_else(|| futures::stream::once(async move { Err(twice()) }).boxed());
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}
