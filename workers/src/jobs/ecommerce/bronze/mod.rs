//! Bronze: raw CSV files as they came, as one Delta table of text per source.
//!
//! The table is partitioned by the raw file, and a file's rows are replaced as a whole: a file taken in twice, by a
//! redelivery or after a crash, is there once. Rows go to the table as they are read, however many a file has.

mod intake;

use futures::FutureExt;
use futures::future::BoxFuture;

use self::intake::Refused;
use super::argument::arguments;
use super::raw_file::{RawFile, RawFiles};
use super::settings::Settings;
use super::table::{Layer, Source, columns, source};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::delta::{Delta, Write};

/// A commit takes files until they are about this large, so that a run that breaks off has not worked for nothing.
const COMMIT_BYTES: u64 = 64 << 20;

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
        let (batch, after) = rest.split_at(batch_length(rest, settings.batch_files));
        take_in(context, source, &raw, &mut table, batch, &mut counts).await?;
        rest = after;
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

/// Takes some files in with one commit, but for those that cannot be read: each fails by itself.
async fn take_in(
    context: &JobContext,
    source: &'static Source,
    raw: &RawFiles,
    table: &mut Delta,
    files: &[RawFile],
    counts: &mut Counts,
) -> Result<(), JobError> {
    for file in files {
        raw.begin(file).await?;
    }
    let mut rest = files.to_vec();
    while !rest.is_empty() {
        let names: Vec<String> = rest.iter().map(|file| file.name.clone()).collect();
        let (rows, intake) = intake::rows(context, source, raw, &rest)?;
        let mode = Write::ReplacePartitions { column: super::table::SOURCE_FILE, values: &names };
        let written = table.write(rows, mode, None, &context.run_id).await;
        match intake.outcome(written)? {
            Ok((written, seen)) => {
                context.delta_output(table, &written);
                counts.files += rest.len() as u64;
                counts.rows += written.rows;
                counts.malformed += seen.malformed_records;
                for (file, others) in seen.others {
                    let others = others.into_iter().collect::<Vec<_>>().join(", ");
                    context.warn(format!("`{file}` of {} has columns nobody knows: {others}", source.name));
                }
                for file in &rest {
                    raw.succeed(file).await?;
                }
                return Ok(());
            }
            // The others are written without it.
            Err(Refused { place, reason }) => {
                let file = rest.remove(place);
                context.warn(format!("`{}` of {} failed: {reason}", file.name, source.name));
                raw.fail(&file, &reason).await?;
                counts.failed.push(format!("`{}`: {reason}", file.name));
            }
        }
    }
    Ok(())
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
