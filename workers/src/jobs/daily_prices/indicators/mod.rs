//! The indicators job: technical indicators of every symbol with a row on the day, from the window of curated prices that
//! ends there.
//!
//! [`columns`] is the table of what is computed; the families (`average`, `momentum`, …) compute it from one symbol's
//! [`bars`]; [`input`] reads the window and [`history`] turns days of prices into symbols' series; [`quality`], [`round`] and [`frame`] make the output.
//! Always the whole window is read and nothing is kept between runs, so the result depends on data, day and
//! `lookback_days` alone, and a missed or late day corrects itself with the next run.
//!
//! Source: pipelines.md 1.8.

mod average;
mod bars;
mod columns;
mod compute;
mod frame;
mod history;
mod input;
mod market;
mod momentum;
mod quality;
mod round;
mod settings;
mod trend;
mod volatility;
mod volume;
mod window;

#[cfg(test)]
mod job_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use chrono::{NaiveDate, Utc};

use columns::COLUMNS;
use history::Target;
use input::{Computed, read_window};
use settings::Settings;

use super::{check_source_pair, layout, record_source_pair};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::frames::Frames;
use crate::lake::publish::publish_frames;
use crate::lake::{Fingerprint, Partition, PartitionLock, Table, record_fingerprint};

/// Days read at once.
const DAYS_AT_ONCE: usize = 4;

/// The job.
pub(crate) const INDICATORS: JobDefinition = JobDefinition {
    name: "market-indicators-etl",
    summary: "Computes the technical indicators of a day from curated prices",
    arguments: settings::ARGUMENTS,
    run: |context| Box::pin(run(context)),
};

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let settings = Settings::parse(&context.arguments)?;
    let ds = settings.ds.to_string();
    let output = Table::new(context.lake.folder(&settings.output_bucket, &settings.output_prefix)?);
    let schema = layout::schema_folder(&context.lake, &settings.schema_fingerprint_uri)?;
    check_source_pair(&output.folder, &settings.interval, &settings.data_source).await?;
    let partition = output.partition(&ds);
    // Taken before the window is read: a second run of the day ends at once rather than after the work.
    let lock = context.lock(&partition).await?;

    let window = read_window(context, &settings).await?;
    let run_at_micros = Utc::now().timestamp_micros();
    let target_date = days_since_epoch(settings.ds);
    let (lookback_rows, benchmark_symbol) = (settings.lookback_rows, settings.benchmark_symbol.clone());
    let (has_benchmark, uri) = (window.has_benchmark(), partition.uri());
    let computed = context
        .blocking(move || {
            let target = Target { date: target_date, lookback_rows, benchmark_symbol: benchmark_symbol.as_deref() };
            window.compute(target, run_at_micros, &uri)
        })
        .await?;
    if computed.duplicate_rows > 0 {
        context.metric("duplicate_input_rows", computed.duplicate_rows);
        context.warn(format!(
            "{} rows from {} repeat a symbol's day and count as rows of their own",
            computed.duplicate_rows,
            settings.span()
        ));
    }
    if let Some(symbol) = settings.benchmark_symbol.as_deref().filter(|_| !has_benchmark) {
        context.warn(format!("the benchmark `{symbol}` has no rows from {}", settings.span()));
    }
    report(context, &computed);

    let table = &computed.table;
    if computed.repeated > 0 {
        let quarantine = Table::new(output.folder.child("quarantine")).partition(&ds);
        let lock = context.lock(&quarantine).await?;
        write(context, &settings, &quarantine, &lock, table).await?;
        let message = format!(
            "duplicate (date, symbol) in the indicators ({} rows), kept in `{}`",
            computed.repeated,
            quarantine.uri()
        );
        return Err(JobError::new(Code::DqFailed, message));
    }
    let fingerprint = Fingerprint::of(table.columns(), settings.write.codec)
        .map_err(|error| JobError::new(Code::SchemaCheckFailed, error))?;
    record_source_pair(&output.folder, &settings.interval, &settings.data_source).await?;
    write(context, &settings, &partition, &lock, table).await?;
    let change = record_fingerprint(&schema, &fingerprint)
        .await
        .map_err(|error| JobError::new(Code::SchemaCheckFailed, error.chain()))?;
    context.metric("schema_changed", change.changed);
    context.metric("schema_hash", change.hash);
    Ok(Finish::succeeded(format!("{} symbols at {ds}", computed.row_count)))
}

/// Replaces a partition under its lock.
async fn write(
    context: &JobContext,
    settings: &Settings,
    partition: &Partition,
    lock: &PartitionLock,
    table: &Frames,
) -> Result<(), JobError> {
    let success = publish_frames(partition, table, settings.write, &context.run_id, lock).await?;
    context.output(partition, &success);
    Ok(())
}

/// Reports rows, nulls, violations and overflows.
fn report(context: &JobContext, computed: &Computed) {
    context.metric("rows", computed.row_count);
    context.metric("nulls_warm_up", computed.warm_up);
    context.metric("violations", computed.violations.iter().sum::<u64>());
    for (column, count) in COLUMNS.iter().zip(computed.violations).filter(|(_, count)| *count > 0) {
        context.metric(&format!("violations_{}", column.name), count);
    }
    for (column, count) in &computed.overflows {
        context.metric(&format!("overflow_{column}"), *count);
        context.warn(format!("{count} values of `{column}` do not fit its type and are null"));
    }
}

fn days_since_epoch(day: NaiveDate) -> i32 {
    i32::try_from((day - NaiveDate::default()).num_days()).expect("a date has fewer than 2^31 days")
}
