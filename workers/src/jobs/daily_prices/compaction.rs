//! Compaction: all raw objects of a day become one Parquet dataset. No row is dropped and none is judged. More rows than fit
//! into the memory of a read are sorted by temporary files.
//!
//! Source: pipelines.md 1.5.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::columns::{ARGUMENTS, read_settings, write_settings};
use super::day::{raw_folder, read_day};
use super::source_pair::partition_of;
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::publish::publish_frames;

/// The job `daily-prices-compaction`.
pub const COMPACTION: JobDefinition = JobDefinition {
    name: "daily-prices-compaction",
    summary: "Reads all raw price objects of a day and writes them as one Parquet dataset.",
    arguments: ARGUMENTS,
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    // Everything that can be refused is refused before anything is touched.
    let partition = partition_of(context, "compacted_bucket", "compacted_prefix")?;
    let settings = write_settings(&context.arguments)?;
    read_settings(&context.arguments)?;
    let raw = raw_folder(context)?;
    let empty = || {
        context.metric("records", 0);
        Finish::skipped(Code::NoRawData, format!("no raw data in `{}`", raw.uri()))
    };
    if raw.data_objects().await?.is_empty() {
        context.metric("raw_objects", 0);
        return Ok(empty());
    }
    let lock = context.lock(&partition).await?;
    let Some(read) = read_day(context, &raw).await? else { return Ok(empty()) };

    let columns = read.frames.columns().get_column_names().iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let records = read.frames.rows();
    let success = publish_frames(&partition, &read.frames, settings, &context.run_id, &lock).await?;
    context.metric("files", success.files.len());
    context.metric("bytes", success.bytes());
    context.metric("columns", columns);
    context.output(&partition, &success);
    Ok(Finish::succeeded(format!("compacted {records} records into {} file(s)", success.files.len())))
}
