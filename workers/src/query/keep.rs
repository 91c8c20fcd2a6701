//! Results that are kept for later statements: Parquet in the session's temporary folder, a file for each of the streams in which
//! a statement computes its rows, written side by side.

use std::path::PathBuf;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::prelude::DataFrame;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

use super::conform;
use super::failure::failure;
use super::session::Session;
use crate::job::{Code, JobError};
use crate::lake::{Error, ParquetFile, ParquetFileEnd, columns_of, schema_of};

/// Batches that wait while one is written and another computed.
const BATCHES_WAITING: usize = 1;

/// The files of a result.
pub(super) struct Kept {
    pub paths: Vec<PathBuf>,
    pub schema: SchemaRef,
    pub rows: u64,
}

/// Computes the frame into files `kept-<number>-….parquet`; `what` is what errors call it. Rows that a statement orders come in
/// one stream, so they stay in order.
///
/// # Errors
/// Those of the statement; `STORAGE_ERROR`.
pub(super) async fn write(session: &Session, frame: DataFrame, number: u64, what: &str) -> Result<Kept, JobError> {
    let columns = columns_of(frame.schema().as_arrow());
    let frame = conform::frame(frame, &columns).map_err(|error| failure(what, &error))?;
    let streams = frame.execute_stream_partitioned().await.map_err(|error| failure(what, &error))?;
    let mut parts = JoinSet::new();
    let schema = schema_of(&columns);
    for (part, stream) in streams.into_iter().enumerate() {
        let path = session.place().join(format!("kept-{number}-{part}.parquet"));
        parts.spawn(write_part(stream, schema.clone(), path, what.to_owned()));
    }
    let mut kept = Kept { paths: Vec::new(), schema, rows: 0 };
    while let Some(part) = parts.join_next().await {
        let part = part.map_err(|error| JobError::new(Code::UnexpectedError, format!("{what}: {error}")))??;
        kept.rows += part.rows;
        kept.paths.push(part.path);
    }
    kept.paths.sort();
    Ok(kept)
}

/// Writes one stream. The writer has a thread of its own until the end: batches that are handed over and back one by one leave
/// cores idle.
async fn write_part(
    mut batches: SendableRecordBatchStream,
    schema: SchemaRef,
    path: PathBuf,
    what: String,
) -> Result<ParquetFileEnd, Error> {
    let (computed, mut to_write) = mpsc::channel::<RecordBatch>(BATCHES_WAITING);
    let mut file = ParquetFile::create_kept(&path, schema.clone(), &what)?;
    let writer = spawn_blocking(move || {
        while let Some(batch) = to_write.blocking_recv() {
            file.append(&batch)?;
        }
        file.end()
    });
    while let Some(batch) = batches.next().await {
        let failed = |source| Error::Rows { uri: what.clone(), source };
        let batch = batch.map_err(|error| failed(error.into()))?;
        // Nullability and metadata of the plan's schema are not ours.
        let batch = RecordBatch::try_new(schema.clone(), batch.columns().to_vec());
        if computed.send(batch.map_err(|error| failed(error.into()))?).await.is_err() {
            // The writer has failed, and says why.
            break;
        }
    }
    drop(computed);
    writer.await.map_err(|error| Error::storage("write", what, error))?
}
