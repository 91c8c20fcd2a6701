//! Bronze: raw CSV files as they came, as one Delta table of text per source.
//!
//! The table is partitioned by the raw file, and a file's rows are replaced as a whole: a file taken in twice, by a
//! redelivery or after a crash, is there once. Rows go to the table as they are read, however many a file has.

mod header;
mod intake;

use futures::FutureExt;
use futures::future::BoxFuture;

use self::intake::{NotTaken, Seen, Why};
use super::argument::arguments;
use super::raw_file::{RawFile, RawFiles};
use super::settings::Settings;
use super::table::{Layer, Source, columns, source};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::delta::{Delta, Write};

/// A commit takes files until they are about this large, so that a run that breaks off has not worked for nothing.
const COMMIT_BYTES: u64 = 64 << 20;
/// Names of failed files that the message has.
const NAMES_SHOWN: usize = 5;

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
    /// Names and reasons of files that cannot be taken.
    failed: Vec<(String, String)>,
    /// Files that were written meanwhile.
    left: u64,
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
        let (batch, after) = rest.split_at(batch_length(rest.iter().map(RawFile::size_bytes), settings.batch_files));
        take_in(context, source, &raw, &mut table, batch, &mut counts).await?;
        rest = after;
    }
    context.metric("files", counts.files);
    context.metric("records", counts.rows);
    context.metric("malformed_records", counts.malformed);
    context.metric("failed_files", counts.failed.len());
    context.metric("left_files", counts.left);
    let message = format!("took {} rows of {} files of {} in", counts.rows, counts.files, source.name);
    let Some((first, reason)) = counts.failed.first() else { return Ok(Finish::succeeded(message)) };
    let names: Vec<String> = counts.failed.iter().take(NAMES_SHOWN).map(|(name, _)| format!("`{name}`")).collect();
    let more = counts.failed.len().saturating_sub(NAMES_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!(
        "{message}; {} failed: {}{more}, the first because {reason} (`{first}`). They are in `{}` with their reasons: repair them \
         and deliver them again, or run again to go on without them",
        counts.failed.len(),
        names.join(", "),
        raw.failed().uri(),
    );
    let code = Code::SchemaValidationFailed;
    if counts.files == 0 { Err(JobError::new(code, message)) } else { Ok(Finish::partial(code, message)) }
}

/// How many of the files make one commit: at least one.
fn batch_length(sizes: impl Iterator<Item = u64>, files_max: usize) -> usize {
    let mut bytes = 0;
    let fits = sizes.take(files_max).take_while(|size_bytes| {
        bytes += size_bytes;
        bytes <= COMMIT_BYTES
    });
    fits.count().max(1)
}

/// Takes some files in with one commit, but for those that cannot be read, each of which fails by itself, and those that are
/// written meanwhile, which wait for the next run.
async fn take_in(
    context: &JobContext,
    source: &'static Source,
    raw: &RawFiles,
    table: &mut Delta,
    files: &[RawFile],
    counts: &mut Counts,
) -> Result<(), JobError> {
    let mut rest = Vec::with_capacity(files.len());
    for file in files {
        match raw.name_fault(file) {
            Some(reason) => fail(context, source, raw, file, reason, counts).await?,
            None => match raw.begin(file.clone()).await? {
                Some(file) => rest.push(file),
                None => leave(context, source, file, counts),
            },
        }
    }
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
                tell(context, source, seen, counts);
                for file in &rest {
                    if !raw.succeed(file).await? {
                        leave(context, source, file, counts);
                    }
                }
                return Ok(());
            }
            // The others are written without it.
            Err(NotTaken { place, why }) => {
                let file = rest.remove(place);
                match why {
                    Why::Refused(reason) => fail(context, source, raw, &file, reason, counts).await?,
                    Why::Changed => leave(context, source, &file, counts),
                }
            }
        }
    }
    Ok(())
}

async fn fail(
    context: &JobContext,
    source: &Source,
    raw: &RawFiles,
    file: &RawFile,
    reason: String,
    counts: &mut Counts,
) -> Result<(), JobError> {
    context.warn(format!("`{}` of {} failed: {reason}", file.name, source.name));
    raw.fail(file, &reason).await?;
    counts.failed.push((file.name.clone(), reason));
    Ok(())
}

fn leave(context: &JobContext, source: &Source, file: &RawFile, counts: &mut Counts) {
    context.warn(format!(
        "`{}` of {} was written or taken away while this run worked with it: what is there now is taken by the next run; deliver \
         files whole, by a rename or one upload",
        file.name, source.name
    ));
    counts.left += 1;
}

fn tell(context: &JobContext, source: &Source, seen: Seen, counts: &mut Counts) {
    for (file, (rows, first)) in seen.malformed {
        counts.malformed += rows;
        context.warn(format!(
            "`{file}` of {} has {rows} malformed rows, the first is row {first} below the header: bronze keeps their text in \
             `corrupt_record`, silver refuses them",
            source.name
        ));
    }
    for (file, others) in seen.others {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        context.warn(format!("`{file}` of {} has columns nobody knows: {others}", source.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_takes_files_up_to_its_limits_and_at_least_one() {
        for (sizes, files_max, expected) in [
            (vec![1, 1, 1], 2, 2),
            (vec![1, 1, 1], 100, 3),
            (vec![COMMIT_BYTES + 1, 1], 100, 1),
            (vec![COMMIT_BYTES - 1, 1, 1], 100, 2),
        ] {
            assert_eq!(batch_length(sizes.iter().copied(), files_max), expected, "{sizes:?}");
        }
    }
}
