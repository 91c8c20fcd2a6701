//! Bronze: raw CSV files as they came, as one Delta table of text per source.
//!
//! The table is partitioned by the raw file, and a file's rows are replaced as a whole: a file taken in twice, by a
//! redelivery or after a crash, is there once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use futures::FutureExt;
use futures::future::BoxFuture;
use polars::prelude::DataFrame;

use super::argument::arguments;
use super::raw_file::{RawFile, RawFiles};
use super::settings::Settings;
use super::table::{Layer, Source, columns, source};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::Error;
use crate::lake::delta::{Delta, Write};
use crate::lake::read::{CORRUPT_COLUMN, Format, ReadSettings, read_rows};
use crate::query::Rows;

/// A commit takes files until their text is about this large, so that memory stays bounded.
const COMMIT_BYTES: u64 = 64 << 20;
/// Files may hold more than their size tells: a commit also ends when their rows take this.
const COMMIT_ROWS_BYTES: usize = 512 << 20;

/// The job `ecommerce-bronze`.
pub(crate) const BRONZE: JobDefinition = JobDefinition {
    name: "ecommerce-bronze",
    summary: "Takes delivered CSV files of products, orders or order_items into the bronze table, and moves them by their status.",
    arguments: arguments!["table"],
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

/// What became of the files.
#[derive(Debug, Default)]
struct Counts {
    files: u64,
    rows: u64,
    malformed: u64,
    failed: Vec<String>,
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let source = source(&context.arguments)?;
    let settings = Settings::of(context)?;
    let folder = settings.table(Layer::Bronze, source.name);
    context.lock_folder(&folder).await?;
    let raw = RawFiles::new(context, &settings, source);
    let waiting = raw.waiting().await?;
    if waiting.is_empty() {
        return Ok(Finish::skipped(Code::NoRawData, format!("no raw files of {} wait", source.name)));
    }
    let mut table =
        Delta::create(&folder, &columns(source.bronze.fields), source.bronze.partition_by, source.name).await?;
    let mut counts = Counts::default();
    let mut rest = waiting.as_slice();
    while !rest.is_empty() {
        let batch = &rest[..batch_length(rest, settings.batch_files)];
        let done = take_in(context, source, &raw, &mut table, batch, &mut counts).await?;
        rest = &rest[done..];
    }
    context.metric("files", counts.files);
    context.metric("records", counts.rows);
    context.metric("malformed_records", counts.malformed);
    context.metric("failed_files", counts.failed.len());
    let message = format!("took {} rows of {} files of {} in", counts.rows, counts.files, source.name);
    match counts.failed.first() {
        None => Ok(Finish::succeeded(message)),
        Some(first) => {
            let message = format!("{message}; {} files failed, the first: {first}", counts.failed.len());
            let code = Code::SchemaValidationFailed;
            if counts.files == 0 { Err(JobError::new(code, message)) } else { Ok(Finish::partial(code, message)) }
        }
    }
}

/// How many of the files make one commit: at least one.
fn batch_length(files: &[RawFile], files_max: usize) -> usize {
    let mut bytes = 0;
    let fits = files.iter().take(files_max).take_while(|file| {
        bytes += file.size_bytes;
        bytes <= COMMIT_BYTES
    });
    fits.count().max(1)
}

/// Takes some files in with one commit; how many, at least one.
async fn take_in(
    context: &JobContext,
    source: &Source,
    raw: &RawFiles,
    table: &mut Delta,
    files: &[RawFile],
    counts: &mut Counts,
) -> Result<usize, JobError> {
    let processed_at = Utc::now();
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut taken = Vec::new();
    let mut done = 0;
    for file in files {
        if batches.iter().map(RecordBatch::get_array_memory_size).sum::<usize>() > COMMIT_ROWS_BYTES {
            break;
        }
        done += 1;
        raw.begin(file).await?;
        match read(source, raw, file).await? {
            Ok((frame, malformed)) => {
                counts.malformed += malformed;
                warn_of_others(context, source, file, &frame);
                batches.push(batch(source, &frame, &file.name, processed_at)?);
                taken.push(file);
            }
            Err(reason) => {
                context.warn(format!("`{}` of {} failed: {reason}", file.name, source.name));
                raw.fail(file, &reason).await?;
                counts.failed.push(format!("`{}`: {reason}", file.name));
            }
        }
    }
    if taken.is_empty() {
        return Ok(done);
    }
    let names: Vec<String> = taken.iter().map(|file| file.name.clone()).collect();
    let rows = Rows::of(&columns(source.bronze.fields), batches);
    let mode = Write::ReplacePartitions { column: super::table::SOURCE_FILE, values: &names };
    let written = table.write(rows, mode, None, &context.run_id).await?;
    context.delta_output(table, &written);
    counts.files += taken.len() as u64;
    counts.rows += written.rows;
    for file in taken {
        raw.succeed(file).await?;
    }
    Ok(done)
}

/// A file's rows and the number of malformed ones, or why the file as a whole cannot be taken.
async fn read(source: &Source, raw: &RawFiles, file: &RawFile) -> Result<Result<(DataFrame, u64), String>, JobError> {
    let settings = ReadSettings { declared: source.raw, format: Format::Csv, ignored: &[] };
    let read = match read_rows(&raw.processing(), &[file.object()], settings).await {
        Ok(read) => read,
        Err(error @ (Error::Limit { .. } | Error::Unreadable { .. })) => return Ok(Err(error.chain())),
        Err(error) => return Err(error.into()),
    };
    let keys = read.frame.column(source.key)?;
    if read.frame.height() > 0 && keys.null_count() == read.frame.height() {
        return Ok(Err(format!("the key column `{}` is missing, or empty in every row", source.key)));
    }
    Ok(Ok((read.frame, read.malformed_records)))
}

/// Columns nobody knows are not carried over, but not passed over in silence either.
fn warn_of_others(context: &JobContext, source: &Source, file: &RawFile, frame: &DataFrame) {
    let known = |name: &str| name == CORRUPT_COLUMN || source.raw.iter().any(|declared| declared.name == name);
    let others: Vec<&str> =
        frame.get_column_names().into_iter().map(|name| name.as_str()).filter(|name| !known(name)).collect();
    if !others.is_empty() {
        context.warn(format!("`{}` of {} has columns nobody knows: {}", file.name, source.name, others.join(", ")));
    }
}

/// The rows of a file with the columns of the bronze table.
fn batch(source: &Source, frame: &DataFrame, file: &str, processed_at: DateTime<Utc>) -> Result<RecordBatch, JobError> {
    let height = frame.height();
    let rows = i64::try_from(height).expect("a frame's height fits");
    let texts = |name: &str| -> Result<ArrayRef, JobError> {
        Ok(match frame.column(name) {
            Ok(column) => Arc::new(column.str()?.iter().collect::<StringArray>()),
            Err(_) => Arc::new(StringArray::new_null(height)),
        })
    };
    let mut named: Vec<(&str, ArrayRef, bool)> = Vec::new();
    for field in source.bronze.fields {
        let array: ArrayRef = match field.name {
            "row_number" => Arc::new(Int64Array::from_iter_values(1..=rows)),
            "corrupt_record" => texts(CORRUPT_COLUMN)?,
            "bronze_source_file" => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(file, height))),
            "processing_timestamp" => {
                let micros = processed_at.timestamp_micros();
                Arc::new(TimestampMicrosecondArray::from_value(micros, height).with_timezone("UTC"))
            }
            "layer" => Arc::new(StringArray::from_iter_values(std::iter::repeat_n("bronze", height))),
            name => texts(name)?,
        };
        named.push((field.name, array, true));
    }
    RecordBatch::try_from_iter_with_nullable(named)
        .map_err(|error| JobError::new(Code::UnexpectedError, format!("rows of `{file}` make no table: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_takes_files_up_to_its_limits_and_at_least_one() {
        let file = |size_bytes| RawFiles::test_file(size_bytes);
        for (sizes, files_max, expected) in [
            (vec![1, 1, 1], 2, 2),
            (vec![1, 1, 1], 100, 3),
            (vec![COMMIT_BYTES + 1, 1], 100, 1),
            (vec![COMMIT_BYTES - 1, 1, 1], 100, 2),
        ] {
            let files: Vec<RawFile> = sizes.iter().map(|&size| file(size)).collect();
            assert_eq!(batch_length(&files, files_max), expected, "{sizes:?}");
        }
    }
}
