//! The indicators job: technical indicators of every symbol with a row on the day, from the window of curated prices that
//! ends there.
//!
//! [`columns`] is the table of what is computed; the families (`average`, `momentum`, …) compute it from one symbol's
//! [`bars`]; [`history`] turns days of prices into symbols' series; [`quality`], [`round`] and [`frame`] make the output.
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

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use futures::StreamExt;
use polars::prelude::DataFrame;

use columns::COLUMNS;
use frame::Row;
use history::{History, Target};
use settings::Settings;

use super::{check_source_pair, layout, record_source_pair};
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError, parse_date};
use crate::lake::publish::publish;
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

    let history = read_window(context, &settings).await?;
    let run_at_micros = Utc::now().timestamp_micros();
    let target_date = days_since_epoch(settings.ds);
    let (lookback_rows, benchmark_symbol) = (settings.lookback_rows, settings.benchmark_symbol.clone());
    let rows = context
        .blocking(move || {
            let benchmark_symbol = benchmark_symbol.as_deref();
            Ok(history.rows(Target { date: target_date, lookback_rows, benchmark_symbol }))
        })
        .await?;
    let (table, overflows) = frame::build(&rows, run_at_micros)?;
    report(context, &rows, &overflows);

    let repeated = rows.windows(2).filter(|pair| pair[0].symbol == pair[1].symbol).count();
    if repeated > 0 {
        let quarantine = Table::new(output.folder.child("quarantine")).partition(&ds);
        let lock = context.lock(&quarantine).await?;
        write(context, &settings, &quarantine, &lock, table).await?;
        let message =
            format!("duplicate (date, symbol) in the indicators ({repeated} rows), kept in `{}`", quarantine.uri());
        return Err(JobError::new(Code::DqFailed, message));
    }
    let fingerprint =
        Fingerprint::of(&table, settings.write.codec).map_err(|error| JobError::new(Code::SchemaCheckFailed, error))?;
    record_source_pair(&output.folder, &settings.interval, &settings.data_source).await?;
    write(context, &settings, &partition, &lock, table).await?;
    let change = record_fingerprint(&schema, &fingerprint)
        .await
        .map_err(|error| JobError::new(Code::SchemaCheckFailed, error.chain()))?;
    context.metric("schema_changed", change.changed);
    context.metric("schema_hash", change.hash);
    Ok(Finish::succeeded(format!("{} symbols at {ds}", rows.len())))
}

/// Reads the days of the window, oldest first.
async fn read_window(context: &JobContext, settings: &Settings) -> Result<History, JobError> {
    let prices =
        Table::new(context.lake.folder(&settings.prices_bucket, &settings.prices_prefix)?).looked_through_once();
    let mut days = Vec::new();
    for ds in prices.days().await? {
        match parse_date(&ds) {
            None => context.warn(format!("invalid_partition:ds={ds}")),
            Some(day) if (settings.first_day()..=settings.ds).contains(&day) => days.push(day),
            Some(_) => {}
        }
    }
    let mut history = History::default();
    let mut days_read = 0u64;
    let mut reads = futures::stream::iter(days)
        .map(|day| {
            let partition = prices.partition(&day.to_string());
            async move { (day, partition.uri(), partition.read().await) }
        })
        .buffered(DAYS_AT_ONCE);
    while let Some((day, uri, read)) = reads.next().await {
        match read? {
            Some(read) => {
                history.add(days_since_epoch(day), &read.frame, &uri)?;
                days_read += 1;
            }
            None => context.warn(format!("`{uri}` holds no complete data and is left out of the window")),
        }
    }
    context.metric("days_read", days_read);
    context.metric("input_rows", history.row_count);
    let span = format!("{} to {}", settings.first_day(), settings.ds);
    if history.row_count == 0 {
        let message = format!("`{}` has no rows from {span}", prices.folder.uri());
        return Err(JobError::new(Code::NoInputData, message));
    }
    if !history.has_rows_on(days_since_epoch(settings.ds)) {
        let message =
            format!("`{}` has no rows; the days before have", prices.partition(&settings.ds.to_string()).uri());
        return Err(JobError::new(Code::NoTargetData, message));
    }
    if history.duplicate_rows > 0 {
        context.metric("duplicate_input_rows", history.duplicate_rows);
        context.warn(format!(
            "{} rows from {span} repeat a symbol's day and count as rows of their own",
            history.duplicate_rows
        ));
    }
    if let Some(symbol) = settings.benchmark_symbol.as_deref().filter(|symbol| !history.has_symbol(symbol)) {
        context.warn(format!("the benchmark `{symbol}` has no rows from {span}"));
    }
    Ok(history)
}

/// Replaces a partition under its lock.
async fn write(
    context: &JobContext,
    settings: &Settings,
    partition: &Partition,
    lock: &PartitionLock,
    table: DataFrame,
) -> Result<(), JobError> {
    let success = publish(partition, table, settings.write, &context.run_id, lock).await?;
    context.output(partition, &success);
    Ok(())
}

/// Reports rows, nulls, violations and overflows.
fn report(context: &JobContext, rows: &[Row], overflows: &BTreeMap<&'static str, u64>) {
    let (mut warm_up, mut violations) = (0u64, [0u64; COLUMNS.len()]);
    for row in rows {
        let early = |first_row: usize| first_row != columns::NEVER && row.window_rows < first_row;
        warm_up += COLUMNS.iter().filter(|column| early(column.first_row)).count() as u64;
        row.verdict.violations.iter().for_each(|at| violations[*at] += 1);
    }
    context.metric("rows", rows.len());
    context.metric("nulls_warm_up", warm_up);
    context.metric("violations", violations.iter().sum::<u64>());
    for (column, count) in COLUMNS.iter().zip(violations).filter(|(_, count)| *count > 0) {
        context.metric(&format!("violations_{}", column.name), count);
    }
    for (column, count) in overflows {
        context.metric(&format!("overflow_{column}"), *count);
        context.warn(format!("{count} values of `{column}` do not fit its type and are null"));
    }
}

fn days_since_epoch(day: NaiveDate) -> i32 {
    i32::try_from((day - NaiveDate::default()).num_days()).expect("a date has fewer than 2^31 days")
}
