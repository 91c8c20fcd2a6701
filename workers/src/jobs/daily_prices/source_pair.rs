//! One curated table holds the prices of one (interval, data source) pair.

use serde::{Deserialize, Serialize};

use crate::job::{Code, JobError};
use crate::lake::{Folder, Partition};

/// The table's record, beside its partitions.
const RECORD: &str = "_table.json";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SourcePair {
    interval: String,
    data_source: String,
}

/// Refuses a second pair in one table. A table without a record takes any.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` naming both pairs; `STORAGE_ERROR`.
///
/// Source: pipelines.md 1.1.
pub async fn check_source_pair(table: &Folder, interval: &str, data_source: &str) -> Result<(), JobError> {
    let Some(text) = table.get_optional(RECORD).await? else { return Ok(()) };
    let uri = table.uri_of(RECORD);
    let recorded: SourcePair = serde_json::from_slice(&text).map_err(|error| {
        JobError::new(
            Code::PreValidationFailed,
            format!("`{uri}` is not a table record ({error}); repair or delete it"),
        )
    })?;
    if recorded.interval == interval && recorded.data_source == data_source {
        return Ok(());
    }
    Err(JobError::new(
        Code::PreValidationFailed,
        format!(
            "table `{}` holds interval `{}` of `{}`; interval `{interval}` of `{data_source}` needs another table name",
            table.uri(),
            recorded.interval,
            recorded.data_source
        ),
    ))
}

/// Records the pair if the table has no record yet, then checks it.
///
/// # Errors
/// As [`check_source_pair`].
pub async fn record_source_pair(table: &Folder, interval: &str, data_source: &str) -> Result<(), JobError> {
    if table.get_optional(RECORD).await?.is_none() {
        let pair = SourcePair { interval: interval.to_owned(), data_source: data_source.to_owned() };
        table.put_new(RECORD, serde_json::to_vec(&pair).expect("strings always serialise")).await?;
    }
    check_source_pair(table, interval, data_source).await
}

/// Where a partition of the arguments' day is: bucket argument, prefix argument, `ds=<ds>`.
pub(super) fn partition_of(
    context: &crate::job::JobContext,
    bucket: &str,
    prefix: &str,
) -> Result<Partition, JobError> {
    let arguments = &context.arguments;
    let ds = arguments.date("ds")?.to_string();
    let folder = context.lake.folder(arguments.required(bucket)?, arguments.required(prefix)?)?;
    Ok(crate::lake::Table::new(folder).partition(&ds))
}
