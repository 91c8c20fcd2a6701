//! Compaction: the processed sales of a date become one gold partition, each transaction once.
//!
//! Partitions are independent: one that fails leaves its old state and does not stop the others. Each is replaced
//! whole, under its lock, by an SQL plan (`sql/`) that streams and spills, so memory does not grow with the data.
//!
//! Source: pipelines.md 2.1 to 2.6.

mod audit;
mod crawler;
mod dimension;
mod partition;
mod plan;
mod selection;
mod settings;
mod tally;

use std::collections::BTreeSet;

use chrono::{NaiveDate, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::{Value as Json, json};

use self::audit::{Audit, Metrics, Status};
use self::crawler::Crawl;
use self::dimension::Dimension;
use self::partition::{Compacted, Run};
use self::selection::{Found, Input, Known, Selection, complete, discover, select};
use self::settings::Settings;
use super::pending::Pending;
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError, QualityCheck, QualityStatus, parse_date};
use crate::lake::audit_time;
use crate::query::Query;

/// The job's name.
const NAME: &str = "gold-fact-sales-compaction";
/// The table of quality results.
const TABLE: &str = "fact_sales";
/// Audits fetched at once.
const FETCHES_AT_ONCE: usize = 16;
/// Partitions that are described one by one in the result: it travels as a task's output, which is limited.
const DESCRIBED_MAX: usize = 50;

/// The job `gold-fact-sales-compaction`.
pub(crate) const COMPACTION: JobDefinition = JobDefinition {
    name: NAME,
    summary: "Compacts the processed sales of each date into one deduplicated gold partition, with its audit.",
    arguments: settings::ARGUMENTS,
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let settings = Settings::read(&context.arguments, &context.lake)?;
    let dimension = match &settings.dimension {
        Some(dimension) => Some(Dimension::open(context, dimension).await?),
        None => None,
    };
    let audit = Audit::new(&settings.audit);
    // A file that an ingestion has declared but not shown yet is part of the input.
    if let Some((base, zone)) = settings.processed.parent() {
        Pending::new(base, &zone).show().await?;
    }
    let compacted_at = Utc::now();
    let found = discover(&settings.processed).await?;
    let known = know(&settings, &audit, &found.inputs).await?;
    let mut selection = select(&settings, &found, &known, compacted_at.date_naive());
    let Found { inputs, warnings, .. } = found;
    selection.warnings.splice(0..0, warnings);
    for warning in &selection.warnings {
        context.warn(warning.clone());
    }

    let at_once = match dimension {
        // A join needs all cores.
        Some(_) => 1,
        None => Query::at_once(context, selection.selected.len())?,
    };
    let run = Run { context, settings: &settings, dimension: dimension.as_ref(), audit: &audit, compacted_at, at_once };
    let mut results = Vec::new();
    let mut first_failure: Option<JobError> = None;
    let mut failed = 0;
    let mut audit_failure: Option<JobError> = None;
    let nothing = Input::default();
    let dates = selection.selected.iter().map(|date| run.compact(*date, inputs.get(date).unwrap_or(&nothing)).boxed());
    let mut compacted = futures::stream::iter(dates.collect::<Vec<_>>()).buffered(at_once);
    while let Some(Compacted { metrics, failure, unaudited }) = compacted.next().await {
        if let Some(error) = unaudited {
            audit_failure.get_or_insert(error);
        }
        if let Some(error) = failure {
            failed += 1;
            context.warn(format!("{}: {error}", metrics.target_date));
            first_failure.get_or_insert(error);
        }
        results.push(metrics);
    }
    drop(compacted);

    let written = results.iter().filter(|metrics| metrics.status == Status::Written).count();
    let crawl = match &settings.crawler {
        Some(name) if written > 0 => Some((name, crawler::start(name, &settings.gold).await)),
        _ => None,
    };
    let mut warn = |warning: String| {
        context.warn(warning.clone());
        selection.warnings.push(warning);
    };
    match &crawl {
        Some((name, Crawl::AlreadyRunning)) => warn(format!("crawler `{name}` is running already")),
        Some((name, Crawl::Failed(error))) => warn(format!("crawler `{name}` cannot be started: {error}")),
        _ => {}
    }
    let crawled = crawl.as_ref().map(|(name, crawl)| crawl.describe(name));
    let summary = summary(context, &settings, &selection, &results, crawled);
    if let Err(error) = audit.summarise(&summary).await {
        context.warn(format!("the summary of the run cannot be written: {}", error.chain()));
        audit_failure.get_or_insert(error.into());
    }
    report(context, &selection, &results);

    let message = format!("compacted {written} of {} partition(s)", results.len());
    if let Some(error) = first_failure {
        let message = format!("{message}; first failure: {}", error.message);
        return if failed == results.len() {
            Err(JobError::new(error.code, message))
        } else {
            Ok(Finish::partial(error.code, message))
        };
    }
    if let Some(error) = audit_failure {
        return Ok(Finish::partial(
            error.code,
            format!("{message}, but the audit cannot be written: {}", error.message),
        ));
    }
    if let Some((name, Crawl::Failed(error))) = crawl {
        let message = format!("{message}, but crawler `{name}` cannot be started: {error}");
        return Ok(Finish::partial(Code::CrawlerFailed, message));
    }
    Ok(Finish::succeeded(if results.is_empty() { "nothing to compact".to_owned() } else { message }))
}

/// What gold and its audits say about the dates of the input.
async fn know(
    settings: &Settings,
    audit: &Audit,
    inputs: &std::collections::BTreeMap<NaiveDate, Input>,
) -> Result<Known, JobError> {
    // Forced dates are taken whatever there is.
    if !settings.force_dates.is_empty() || settings.reprocess {
        return Ok(Known::default());
    }
    let gold = complete(&settings.gold).await?;
    let unfinished = audit.in_progress().await?;
    let unfinished: BTreeSet<NaiveDate> = unfinished.iter().filter_map(|value| parse_date(value)).collect();
    let mut changed = BTreeSet::new();
    if settings.detect_changes || settings.watermark_days.is_some() {
        let mut compared = Vec::new();
        for (date, input) in inputs {
            if gold.contains(date) {
                compared.push(differs(audit.clone(), *date, input.fingerprint()));
            }
        }
        let answers: Vec<Option<NaiveDate>> =
            futures::stream::iter(compared).buffered(FETCHES_AT_ONCE).try_collect().await?;
        changed.extend(answers.into_iter().flatten());
    }
    Ok(Known { gold, unfinished, changed })
}

/// The date, if its partition was not made from input with this fingerprint.
async fn differs(audit: Audit, date: NaiveDate, fingerprint: String) -> Result<Option<NaiveDate>, JobError> {
    let metrics = audit.metrics(&date.to_string()).await?;
    let same =
        metrics.is_some_and(|metrics| metrics.status == Status::Written && metrics.input_fingerprint == fingerprint);
    Ok((!same).then_some(date))
}

/// `last_run_summary.json`.
fn summary(
    context: &JobContext,
    settings: &Settings,
    selection: &Selection,
    results: &[Metrics],
    crawler: Option<Json>,
) -> Json {
    let written = results.iter().filter(|metrics| metrics.status == Status::Written).count();
    json!({
        "job_name": settings.job_name,
        "run_id": context.run_id,
        "run_ts_utc": audit_time(Utc::now()),
        "processed_partitions_count": written,
        "results": results,
        "selected_dates": texts(&selection.selected),
        "deferred_dates": texts(&selection.deferred),
        "too_late_dates": texts(&selection.too_late),
        "warnings": selection.warnings,
        "crawler": crawler,
    })
}

fn texts(dates: &[NaiveDate]) -> Vec<String> {
    dates.iter().map(NaiveDate::to_string).collect()
}

/// Metrics and quality results of the run.
fn report(context: &JobContext, selection: &Selection, results: &[Metrics]) {
    let sum = |of: fn(&Metrics) -> u64| results.iter().map(of).sum::<u64>();
    context.metric("records", sum(|metrics| metrics.rows_after_dedup));
    context.metric("duplicate_rows_removed", sum(|metrics| metrics.duplicate_rows_removed));
    context.metric("numeric_parse_failures", sum(|metrics| metrics.numeric_parse_failures));
    context.metric("dq_balance_issues", sum(|metrics| metrics.dq_balance_issues));
    context.metric("selected_dates", texts(&selection.selected).into_iter().take(DESCRIBED_MAX).collect::<Vec<_>>());
    context.metric("deferred_dates", texts(&selection.deferred).into_iter().take(DESCRIBED_MAX).collect::<Vec<_>>());
    context.metric("too_late_dates", texts(&selection.too_late).into_iter().take(DESCRIBED_MAX).collect::<Vec<_>>());
    for metrics in results.iter().take(DESCRIBED_MAX) {
        let date = &metrics.target_date;
        if metrics.status != Status::Written {
            context.quality(QualityCheck {
                table: TABLE.to_owned(),
                check: "partition".to_owned(),
                status: QualityStatus::Fail,
                expected: json!(Status::Written),
                actual: json!(metrics.status),
                tolerance: Json::Null,
                details: format!("{date}: {}", metrics.error.as_deref().unwrap_or("no input")),
            });
            continue;
        }
        for (check, count) in [
            ("balance", metrics.dq_balance_issues),
            ("null_timestamp", metrics.null_timestamp),
            ("null_store", metrics.null_store),
            ("null_transaction_id", metrics.null_transaction_id),
            ("numeric_parse_failures", metrics.numeric_parse_failures),
            ("rows_outside_date", metrics.rows_outside_date),
        ] {
            context.quality(QualityCheck {
                table: TABLE.to_owned(),
                check: check.to_owned(),
                status: if count == 0 { QualityStatus::Pass } else { QualityStatus::Warn },
                expected: json!(0),
                actual: json!(count),
                tolerance: json!(0),
                details: format!("{date}: {} rows", metrics.rows_after_dedup),
            });
        }
    }
}
