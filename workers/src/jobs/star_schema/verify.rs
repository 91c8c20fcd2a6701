//! The job that looks at the star schema as a reader finds it: all ten tables whole, with their columns, agreeing.
//!
//! Source: pipelines.md 3.4, post-check.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::checks::{Files, check};
use super::places::Gold;
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::{Partition, PartitionState};
use crate::query::Query;

/// The job `star-schema-verify`.
pub const VERIFY: JobDefinition = JobDefinition {
    name: "star-schema-verify",
    summary: "Checks that all ten tables of the star schema are there, have rows and agree with each other.",
    arguments: &["GOLD_DIM", "GOLD_FACT", "GOLD_MART", "ds", "environment"],
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let gold = Gold::of(&context.lake, &context.arguments)?;
    let mut all = Vec::new();
    let (mut rows, mut bytes, mut files) = (0, 0, 0);
    for (table, partition) in gold.partitions() {
        let names = match partition.state().await? {
            PartitionState::Complete(success) => {
                rows += success.rows.unwrap_or_default();
                bytes += success.bytes();
                success.files.into_iter().map(|file| file.name).collect::<Vec<_>>()
            }
            PartitionState::Legacy(objects) => objects.into_iter().map(|object| object.name).collect(),
            PartitionState::Absent => Vec::new(),
            PartitionState::Incomplete(_) => return Err(incomplete(&partition)),
        };
        files += names.len();
        all.push(Files { table, folder: partition.folder(), names });
    }
    context.metric("rows", rows);
    context.metric("bytes", bytes);
    context.metric("files", files);
    check(context, &Query::new(context)?, &all).await?;
    Ok(Finish::succeeded(format!("{} tables with {rows} rows in {files} file(s) are whole and agree", all.len())))
}

fn incomplete(partition: &Partition) -> JobError {
    let message = format!(
        "GOLD_OUTPUT_MISSING: `{}` was not written to its end; run silver-to-gold-star-schema again",
        partition.uri()
    );
    JobError::new(Code::GoldOutputMissing, message)
}
