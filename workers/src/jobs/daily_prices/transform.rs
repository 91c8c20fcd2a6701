//! Transform: the day's records are judged, deduplicated, adjusted and published as curated prices.
//!
//! Source: pipelines.md 1.7.

use futures::FutureExt;
use futures::future::BoxFuture;
use polars::prelude::{
    BooleanChunked, DataFrame, IntoColumn, NamedFrom, NewChunkedArray, PlSmallStr, Series, SortMultipleOptions,
};

use super::adjust::{adjust, arrange};
use super::columns::{ARGUMENTS, KNOWN, write_settings};
use super::day::{raw_folder, read_day};
use super::dedup::deduplicate;
use super::quality::{Critical, Limits, Verdict, judge};
use super::source_pair::{check_source_pair, partition_of, record_source_pair};
use crate::job::{Arguments, Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::publish::{WriteSettings, publish};
use crate::lake::read::conform;
use crate::lake::{Fingerprint, Folder, Partition, PartitionState, Table, record_fingerprint};

/// The job `daily-prices-data-etl`.
pub const TRANSFORM: JobDefinition = JobDefinition {
    name: "daily-prices-data-etl",
    summary: "Checks, deduplicates and adjusts the compacted prices of a day and publishes them as curated prices.",
    arguments: ARGUMENTS,
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

/// Everything the command line says, refused before anything is touched.
struct Plan {
    curated: Partition,
    quarantine: Partition,
    table: Folder,
    schema: Folder,
    settings: WriteSettings,
    limits: Limits,
    adjust: bool,
    interval: String,
    data_source: String,
}

impl Plan {
    fn of(context: &JobContext) -> Result<Plan, JobError> {
        let arguments = &context.arguments;
        let table =
            context.lake.folder(arguments.required("curated_bucket")?, arguments.required("curated_prefix")?)?;
        let ds = arguments.date("ds")?.to_string();
        Ok(Plan {
            curated: Table::new(table.clone()).partition(&ds),
            quarantine: Table::new(table.child("quarantine")).partition(&ds),
            table,
            schema: schema_folder(context, arguments)?,
            settings: write_settings(arguments)?,
            limits: limits(arguments)?,
            adjust: arguments.flag("adjust_prices", true)?,
            interval: arguments.text("interval", "1d").to_owned(),
            data_source: arguments.text("data_source", "yahoo_finance").to_owned(),
        })
    }
}

fn limits(arguments: &Arguments) -> Result<Limits, JobError> {
    let max_critical_error_rate: f64 = arguments.number("max_critical_error_rate", 5.0)?;
    if !(0.0..=100.0).contains(&max_critical_error_rate) {
        let message =
            format!("--max_critical_error_rate is `{max_critical_error_rate}`; give a percentage from 0 to 100");
        return Err(JobError::arguments(message));
    }
    Ok(Limits { expected_min_records: arguments.number("expected_min_records", 100)?, max_critical_error_rate })
}

/// The folder of the fingerprints; the argument names it or `latest.json` in it.
fn schema_folder(context: &JobContext, arguments: &Arguments) -> Result<Folder, JobError> {
    let uri = arguments.required("schema_fingerprint_s3_uri")?;
    let folder = context.lake.folder_at(uri)?;
    match folder.parent() {
        Some((parent, name)) if name.ends_with(".json") => Ok(parent),
        _ => Ok(folder),
    }
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let plan = Plan::of(context)?;
    let ds = context.arguments.date("ds")?;
    check_source_pair(&plan.table, &plan.interval, &plan.data_source).await?;
    let lock = context.lock(&plan.curated).await?;
    let Some(input) = load(context).await? else {
        return Err(JobError::new(Code::NoRawData, format!("no records for {ds}, neither compacted nor raw")));
    };
    let limits = plan.limits;
    let (input, verdict) = context
        .blocking(move || {
            let input = conform(&input, KNOWN)?;
            let verdict = judge(&input, ds, limits)?;
            Ok((input, verdict))
        })
        .await?;
    report(context, &input, &verdict);

    let left = input.height() as u64 - verdict.critical_records;
    quarantine(context, &plan, &input, &verdict).await?;
    if verdict.failed || left == 0 {
        let message = format!("DQ_FAILED: {}", verdict.messages.join("; "));
        return Err(JobError::new(Code::DqFailed, message));
    }

    let adjusting = plan.adjust;
    let good = keep(&input, verdict.reasons.iter().map(Option::is_none))?;
    let deduplicated = context
        .blocking(move || {
            let mut deduplicated = deduplicate(&good)?;
            let frame = if adjusting { adjust(deduplicated.frame)? } else { deduplicated.frame };
            let by_symbol = SortMultipleOptions::default().with_maintain_order(true);
            deduplicated.frame = arrange(&frame)?.sort(["symbol"], by_symbol)?;
            Ok(deduplicated)
        })
        .await?;
    context.metric("duplicates_identical", deduplicated.identical);
    context.metric("duplicates_conflicting", deduplicated.conflicting);
    if deduplicated.conflicting > 0 {
        context.warn(format!("{} conflicting duplicates were replaced by later rows", deduplicated.conflicting));
    }

    let frame = deduplicated.frame;
    let fingerprint = Fingerprint::of(&frame, plan.settings.codec)
        .map_err(|message| JobError::new(Code::SchemaValidationFailed, message))?;
    let rows = frame.height();
    record_source_pair(&plan.table, &plan.interval, &plan.data_source).await?;
    let success = publish(&plan.curated, frame, plan.settings, &context.run_id, &lock).await?;
    context.metric("rows", rows);
    context.metric("files", success.files.len());
    context.metric("bytes", success.bytes());
    context.output(&plan.curated, &success);
    // After the data: a change recorded before data that never came would be lost for the crawler.
    let change = record_fingerprint(&plan.schema, &fingerprint)
        .await
        .map_err(|error| JobError::new(Code::SchemaCheckFailed, error.chain()))?;
    context.metric("schema_changed", change.changed);
    context.metric("schema_hash", change.hash);
    Ok(Finish::succeeded(format!("published {rows} prices of {ds}; {}", verdict.messages.join("; "))))
}

/// The compacted partition, or the raw day if there is none.
async fn load(context: &JobContext) -> Result<Option<DataFrame>, JobError> {
    let compacted = partition_of(context, "compacted_bucket", "compacted_prefix")?;
    if let Some(read) = compacted.read().await? {
        context.metric("input", "compacted");
        let missing: Vec<&str> =
            ["symbol", "timestamp"].into_iter().filter(|name| read.frame.column(name).is_err()).collect();
        if read.frame.height() > 0 && !missing.is_empty() {
            let message = format!("MISSING_COLUMNS: [{}] in `{}`", missing.join(", "), compacted.uri());
            return Err(JobError::new(Code::MissingColumns, message));
        }
        return Ok((read.frame.height() > 0).then_some(read.frame));
    }
    if let PartitionState::Incomplete(_) = compacted.state().await? {
        context.warn(format!("`{}` is incomplete and was not read; compact the day again", compacted.uri()));
    }
    context.metric("input", "raw");
    let Some(read) = read_day(context, &raw_folder(context)?).await? else { return Ok(None) };
    // As compaction would have left it: equal keys in the order of their source objects.
    let options = SortMultipleOptions::default().with_maintain_order(true).with_nulls_last(true);
    Ok(Some(context.blocking(move || Ok(read.frame.sort(["symbol", "timestamp"], options)?)).await?))
}

fn report(context: &JobContext, input: &DataFrame, verdict: &Verdict) {
    context.metric("records", input.height());
    context.metric("critical_records", verdict.critical_records);
    context.metric("critical_error_rate", verdict.rate);
    for (rule, count) in Critical::ALL.iter().zip(verdict.critical) {
        context.metric(&format!("dq_{}", rule.name()), count);
    }
    for (rule, count) in &verdict.warnings {
        context.metric(&format!("dq_{rule}"), *count);
    }
    context.metric("dq_messages", verdict.messages.clone());
    for message in verdict.messages.iter().filter(|message| *message != "DQ OK") {
        context.warn(message.clone());
    }
}

/// Writes the records that are not published, with their reasons: those with critical violations, or all of a failed
/// day. A quarantine of an earlier run is replaced even if nothing is left to put there.
async fn quarantine(context: &JobContext, plan: &Plan, input: &DataFrame, verdict: &Verdict) -> Result<(), JobError> {
    let mut frame = input.clone();
    frame.with_column(Series::new("dq_reason".into(), &verdict.reasons).into_column())?;
    if !verdict.failed {
        frame = keep(&frame, verdict.reasons.iter().map(Option::is_some))?;
    }
    context.metric("quarantined_records", frame.height());
    if frame.height() == 0 && plan.quarantine.state().await? == PartitionState::Absent {
        return Ok(());
    }
    let lock = context.lock(&plan.quarantine).await?;
    let rows = frame.height();
    let success = publish(&plan.quarantine, frame, plan.settings, &context.run_id, &lock).await?;
    if rows > 0 {
        context.output(&plan.quarantine, &success);
    }
    Ok(())
}

fn keep(frame: &DataFrame, mask: impl Iterator<Item = bool>) -> Result<DataFrame, JobError> {
    let mask: Vec<bool> = mask.collect();
    Ok(frame.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &mask))?)
}

/// A day of good records as this job would publish it with adjusted prices: for the sample lake's history.
pub(crate) fn curate_sample_day(frame: DataFrame) -> polars::error::PolarsResult<DataFrame> {
    arrange(&adjust(frame)?)?.sort(["symbol"], SortMultipleOptions::default())
}
