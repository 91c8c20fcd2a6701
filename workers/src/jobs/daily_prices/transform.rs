//! Transform: the day's records are judged, deduplicated, adjusted and published as curated prices.
//!
//! Source: pipelines.md 1.7.

use futures::FutureExt;
use futures::future::BoxFuture;
use polars::prelude::{DataFrame, SortMultipleOptions};

use super::adjust::{adjust, arrange};
use super::columns::{ARGUMENTS, write_settings};
use super::curate::{Curation, curate, with_all_reasons};
use super::input::{by_symbol, load};
use super::quality::{Critical, Limits, Verdict};
use super::source_pair::{check_source_pair, record_source_pair};
use crate::job::{Arguments, Code, Finish, JobContext, JobDefinition, JobError};
use crate::lake::frames::Frames;
use crate::lake::publish::{WriteSettings, publish_frames};
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
    let records = input.rows();
    let uri = plan.curated.uri();
    let curation =
        Curation { ds, limits: plan.limits, adjusting: plan.adjust, memory_bytes: context.lake.read_memory_bytes()? };
    let (input, curated) = context
        .blocking(move || {
            let curated = match curate(&input, curation, &uri)? {
                Some(curated) => curated,
                // Not what compaction wrote.
                None => curate(&by_symbol(&input, curation.memory_bytes)?, curation, &uri)?.ok_or_else(|| {
                    JobError::new(Code::UnexpectedError, format!("the rows for `{uri}` are not in order after sorting"))
                })?,
            };
            Ok((input, curated))
        })
        .await?;
    let verdict = &curated.verdict;
    report(context, records, verdict);

    if verdict.failed {
        let quarantine_uri = plan.quarantine.uri();
        let all = context.blocking(move || with_all_reasons(&input, ds, &quarantine_uri)).await?;
        quarantine(context, &plan, &all).await?;
    } else {
        quarantine(context, &plan, &curated.critical).await?;
    }
    if verdict.failed || records == verdict.critical_records {
        let message = format!("DQ_FAILED: {}", verdict.messages.join("; "));
        return Err(JobError::new(Code::DqFailed, message));
    }

    context.metric("duplicates_identical", curated.identical);
    context.metric("duplicates_conflicting", curated.conflicting);
    if curated.conflicting > 0 {
        context.warn(format!("{} conflicting duplicates were replaced by later rows", curated.conflicting));
    }

    let fingerprint = Fingerprint::of(curated.good.columns(), plan.settings.codec)
        .map_err(|message| JobError::new(Code::SchemaValidationFailed, message))?;
    let rows = curated.good.rows();
    record_source_pair(&plan.table, &plan.interval, &plan.data_source).await?;
    let success = publish_frames(&plan.curated, &curated.good, plan.settings, &context.run_id, &lock).await?;
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

fn report(context: &JobContext, records: u64, verdict: &Verdict) {
    context.metric("records", records);
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
async fn quarantine(context: &JobContext, plan: &Plan, records: &Frames) -> Result<(), JobError> {
    context.metric("quarantined_records", records.rows());
    if records.rows() == 0 && plan.quarantine.state().await? == PartitionState::Absent {
        return Ok(());
    }
    let lock = context.lock(&plan.quarantine).await?;
    let success = publish_frames(&plan.quarantine, records, plan.settings, &context.run_id, &lock).await?;
    if records.rows() > 0 {
        context.output(&plan.quarantine, &success);
    }
    Ok(())
}

/// A day of good records as this job would publish it with adjusted prices: for the sample lake's history.
pub(crate) fn curate_sample_day(frame: DataFrame) -> polars::error::PolarsResult<DataFrame> {
    arrange(&adjust(frame)?)?.sort(["symbol"], SortMultipleOptions::default())
}
