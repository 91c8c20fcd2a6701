//! Results that are kept for later statements: Parquet in the session's temporary folder, a file for each of the streams in which
//! a statement computes its rows, written side by side.

use std::path::PathBuf;

use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::prelude::DataFrame;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::conform;
use super::failure::failure;
use super::session::Session;
use crate::job::{Code, JobError};
use crate::lake::{Error, ParquetFile, ParquetFileEnd, Rows, columns_of};

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
    let schema = crate::lake::schema_of(&columns);
    for (part, stream) in streams.into_iter().enumerate() {
        let batches = stream.map(|batch| batch.map_err(Into::into)).boxed();
        let rows = Rows::new(columns.clone(), batches, Some(session.keep_alive()));
        let path = session.place().join(format!("kept-{number}-{part}.parquet"));
        parts.spawn(write_part(rows, path, what.to_owned()));
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

async fn write_part(mut rows: Rows, path: PathBuf, what: String) -> Result<ParquetFileEnd, Error> {
    let mut file = ParquetFile::create_kept(&path, rows.schema(), &what)?;
    while let Some(batch) = rows.next(&what).await? {
        file = file.write(batch).await?;
    }
    file.finish().await
}
