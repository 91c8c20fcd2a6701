//! Ingestion: sales files of the raw zone, judged row by row, become Parquet in the processed zone, by date.
//!
//! A file is read once, as a stream, into temporary files on this machine; only when it has been read to its end are
//! its results uploaded out of sight, declared (`pending`) and made visible. So a crash at any point leaves the zones
//! as they were or is finished by the next run, and a file that is no sales file changes nothing but its own place.
//!
//! Files that cannot be used are set aside under `rejected/structural/` or `rejected/system/` with a JSON that says
//! why; the others go on, and the job ends with exit status 3 (1 if no file could be used). A fault of the store is not
//! held against a file: it stays, and the job fails so that it is run again.
//!
//! Source: pipelines.md 2.7.

mod file;
mod header;
mod judge;
mod parse;
mod source;
mod spool;
mod timestamp;
mod zones;

use std::collections::BTreeMap;

use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use self::file::{Ingested, Run};
use self::judge::Reason;
use self::parse::Stopped;
use self::zones::{PROCESSED, RAW, SetAside, VALIDATED, Zones};
use super::columns::DATE;
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError, QualityCheck, QualityStatus, Severity};
use crate::lake::{Object, Partition, Success, SuccessFile, audit_time, hive_name, is_data};

/// The job `fact-sales-ingestion`.
pub(crate) const INGESTION: JobDefinition = JobDefinition {
    name: "fact-sales-ingestion",
    summary: "Judges the rows of raw sales files and files the good ones by date, the bad ones with their reason.",
    arguments: &["base_path", "max_reject_rate", "ds", "environment"],
    run: start,
};

/// The table of quality results.
const TABLE: &str = "fact_sales";
/// Files that are described one by one in the result: it travels as a task's output, which is limited.
const FILES_DESCRIBED_MAX: usize = 100;

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

/// What the run has done so far.
#[derive(Default)]
struct Totals {
    ingested: u64,
    set_aside: Vec<(String, Code, String)>,
    rows: u64,
    good: u64,
    rejected: [u64; 3],
    recovered: u64,
    duplicates: u64,
    revenue: f64,
    described: Vec<Json>,
    written: BTreeMap<String, Vec<SuccessFile>>,
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let base = context.lake.folder_at(context.arguments.required("base_path")?)?;
    let reject_percent_max: f64 = context.arguments.number("max_reject_rate", 10.0)?;
    if !(0.0..=100.0).contains(&reject_percent_max) {
        return Err(JobError::arguments(format!(
            "--max_reject_rate is {reject_percent_max}; give a percentage from 0 to 100"
        )));
    }
    // All that waits is ingested, whatever date it is run for; but a date that is none is a mistake.
    if context.arguments.optional("ds").is_some() {
        context.arguments.date("ds")?;
    }
    let zones = Zones { base: base.clone() };
    let lock = context.lock(&Partition::new(base.clone(), "ingestion")).await?;
    let settled = zones.pending().settle().await?;
    if settled > 0 {
        context.warn(format!("finished {settled} file(s) that an earlier run had left half done"));
    }
    let run = Run { context, zones, lock, started_at: Utc::now() };
    let mut totals = Totals::default();
    // What a crash left behind in `validated` is older than what has arrived since.
    for zone in [VALIDATED, RAW] {
        for object in base.child(zone).objects().await? {
            if is_data(&object.name, object.size_bytes) {
                take(&run, zone, &object, &mut totals, reject_percent_max).await?;
            }
        }
    }
    report(&run, &mut totals);
    let Totals { ingested, set_aside, rows, good, .. } = &totals;
    let message = format!("{good} of {rows} rows of {ingested} file(s) are good");
    match set_aside.first() {
        None if *ingested == 0 => {
            Ok(Finish::skipped(Code::NoRawData, format!("no sales files in `{}`", base.uri_of(RAW))))
        }
        None => Ok(Finish::succeeded(message)),
        Some((file, code, why)) => {
            let aside = format!("{} file(s) were set aside under `rejected/`, first {file}: {why}", set_aside.len());
            if *ingested == 0 {
                return Err(JobError::new(*code, aside));
            }
            Ok(Finish::partial(*code, format!("{message}; {aside}")))
        }
    }
}

/// One file: ingested, set aside, or, if the store is at fault, left for the next attempt.
async fn take(
    run: &Run<'_>,
    zone: &str,
    object: &Object,
    totals: &mut Totals,
    reject_percent_max: f64,
) -> Result<(), JobError> {
    let extension = object.name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let outcome = match extension.as_deref() {
        Some("csv" | "txt" | "tsv" | "psv") => run.ingest(zone, object).await,
        _ => Err(Stopped::Structural {
            code: "UNSUPPORTED_FILE_TYPE",
            message: "only text files are taken: .csv, .tsv, .psv, .txt".to_owned(),
            missing_columns: Vec::new(),
        }),
    };
    let (aside, code, name, message, missing_columns) = match outcome {
        Ok(ingested) => {
            count(run.context, totals, ingested, reject_percent_max);
            return Ok(());
        }
        Err(Stopped::Fault(error))
            if matches!(error.code, Code::StorageError | Code::ConcurrentRunsExceeded | Code::Timeout) =>
        {
            return Err(error);
        }
        // Running it again would find no file: the codes are none that is tried again.
        Err(Stopped::Fault(error)) => {
            (SetAside::System, Code::SchemaValidationFailed, error.code.as_str(), error.message, Vec::new())
        }
        Err(Stopped::Structural { code, message, missing_columns }) => {
            let failure = if missing_columns.is_empty() { Code::SchemaValidationFailed } else { Code::MissingColumns };
            (SetAside::Structural, failure, code, message, missing_columns)
        }
    };
    let file = &object.name;
    let reason = json!({
        "file": file,
        "code": name,
        "message": message,
        "missing_columns": missing_columns,
        "run_id": run.context.run_id,
        "rejected_at": audit_time(Utc::now()),
    });
    // A fault after the file was moved finds it in the next zone.
    let zone = if aside == SetAside::System && zone == RAW && !holds(run, RAW, file).await? { VALIDATED } else { zone };
    run.zones.set_aside(zone, file, aside, &reason, run.started_at, &run.context.run_id).await?;
    run.context.warn(format!("{file} is set aside under rejected/{}/: {name}: {message}", aside.name()));
    if totals.set_aside.len() < FILES_DESCRIBED_MAX {
        run.context.quality(QualityCheck {
            table: TABLE.to_owned(),
            check: "structure".to_owned(),
            status: QualityStatus::Fail,
            expected: json!("a sales file"),
            actual: json!(name),
            tolerance: Json::Null,
            details: format!("{file}: {message}"),
        });
    }
    totals.set_aside.push((file.clone(), code, message));
    Ok(())
}

async fn holds(run: &Run<'_>, zone: &str, file: &str) -> Result<bool, JobError> {
    Ok(run.zones.base.child(zone).objects().await?.iter().any(|object| object.name == file))
}

/// Adds a file to the totals, with its data quality report.
fn count(context: &JobContext, totals: &mut Totals, ingested: Ingested, reject_percent_max: f64) {
    let counts = &ingested.counts;
    let report = ingested.report();
    let percent = if counts.rows == 0 { 0.0 } else { counts.rejects() as f64 * 100.0 / counts.rows as f64 };
    tracing::info!(
        row_count = counts.rows,
        "DATA QUALITY REPORT {}: total {}, good {}, rejected {} ({percent:.2} %): {}",
        ingested.file,
        counts.rows,
        counts.good,
        counts.rejects(),
        report["rejected_by_reason"]
    );
    for header in &ingested.repeated_headers {
        context.warn(format!(
            "{}: header `{header}` names a column that another has named; the first counts",
            ingested.file
        ));
    }
    if totals.described.len() < FILES_DESCRIBED_MAX {
        let exceeded = percent > reject_percent_max;
        if exceeded {
            let text = format!(
                "{}: {} of {} rows rejected, more than {reject_percent_max} %; see `{}`",
                ingested.file,
                counts.rejects(),
                counts.rows,
                ingested.rejects
            );
            context.alarm(Severity::High, text);
        }
        context.quality(QualityCheck {
            table: TABLE.to_owned(),
            check: "reject_rate".to_owned(),
            status: if exceeded { QualityStatus::Warn } else { QualityStatus::Pass },
            expected: json!(0.0),
            actual: json!((percent * 100.0).round() / 100.0),
            tolerance: json!(reject_percent_max),
            details: format!("{}: {} of {} rows rejected", ingested.file, counts.rejects(), counts.rows),
        });
        totals.described.push(report);
    }
    totals.ingested += 1;
    totals.rows += counts.rows;
    totals.good += counts.good;
    totals.recovered += counts.recovered;
    totals.duplicates += ingested.duplicates;
    totals.revenue += counts.revenue;
    for (total, rejected) in totals.rejected.iter_mut().zip(counts.rejected) {
        *total += rejected;
    }
    for (date, file) in ingested.written {
        totals.written.entry(date).or_default().push(file);
    }
}

fn report(run: &Run<'_>, totals: &mut Totals) {
    let context = run.context;
    let by_reason: serde_json::Map<String, Json> =
        Reason::ALL.iter().map(|reason| (reason.name().to_owned(), totals.rejected[*reason as usize].into())).collect();
    context.metric("records", totals.rows);
    context.metric("good_records", totals.good);
    context.metric("rejected_records", totals.rejected.iter().sum::<u64>());
    context.metric("rejected_by_reason", by_reason);
    context.metric("delimiter_recovered_rows", totals.recovered);
    context.metric("duplicate_rows_dropped", totals.duplicates);
    context.metric("revenue", (totals.revenue * 100.0).round() / 100.0);
    context.metric("files_ingested", totals.ingested);
    context.metric("files_set_aside", totals.set_aside.len());
    context.metric("files", std::mem::take(&mut totals.described));
    let processed = run.zones.base.child(PROCESSED);
    for (date, files) in std::mem::take(&mut totals.written) {
        let rows = files.iter().filter_map(|file| file.rows).sum();
        let success =
            Success { run_id: context.run_id.clone(), written_at: audit_time(run.started_at), rows: Some(rows), files };
        context.output(&Partition::new(processed.clone(), &hive_name(DATE, Some(&date))), &success);
    }
}
