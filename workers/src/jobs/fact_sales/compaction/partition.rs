//! One partition: read, normalise, hash, deduplicate, sort, replace, count.
//!
//! Source: pipelines.md 2.4.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Map, Value as Json};

use super::super::columns::{DATE, gold};
use super::audit::{Audit, Metrics, Status};
use super::dimension::Dimension;
use super::plan;
use super::selection::Input;
use super::settings::Settings;
use crate::job::{JobContext, JobError};
use crate::lake::publish::{WriteSettings, publish_rows};
use crate::lake::{Codec, Error, FileSizing, Partition, PartitionLock, Success, audit_time, hive_name};
use crate::query::{Column, Query, Value};

/// Aimed size of a file in MiB, as far as `--output_files` allows.
const TARGET_FILE_MB: u64 = 256;

/// What all partitions of a run have in common.
pub(super) struct Run<'a> {
    pub context: &'a JobContext,
    pub settings: &'a Settings,
    pub dimension: Option<&'a Dimension>,
    pub audit: &'a Audit,
    /// The time by which a row without `ingest_ts` came.
    pub compacted_at: DateTime<Utc>,
}

/// A step that failed, and what that makes of the partition.
struct Failed {
    status: Status,
    error: JobError,
}

fn as_status<E: Into<JobError>>(status: Status) -> impl Fn(E) -> Failed {
    move |error| Failed { status, error: error.into() }
}

/// How a partition ended: its audit, and the failure if there was one.
pub(super) struct Compacted {
    pub metrics: Metrics,
    pub failure: Option<JobError>,
    /// Held until the audit is written.
    pub lock: Option<Arc<PartitionLock>>,
}

impl Run<'_> {
    /// Compacts a date. Failures are in the answer: they concern this partition only.
    pub async fn compact(&self, date: NaiveDate, input: &Input) -> Compacted {
        let began = Instant::now();
        let partition = Partition::new(self.settings.gold.clone(), &hive_name(DATE, Some(&date.to_string())));
        let directories: Vec<String> =
            input.directories().iter().map(|directory| self.settings.processed.uri_of(directory)).collect();
        let mut metrics = Metrics {
            target_date: date.to_string(),
            input_partition: directories.join(","),
            output_partition: partition.uri(),
            run_id: self.context.run_id.clone(),
            input_files: input.objects.len() as u64,
            input_bytes: input.bytes(),
            input_fingerprint: input.fingerprint(),
            ..Metrics::default()
        };
        let mut lock = None;
        let outcome = match self.context.lock(&partition).await {
            Err(error) => Err(Failed { status: Status::WriteFailed, error }),
            Ok(_) if input.objects.is_empty() => Ok(()),
            Ok(held) => {
                let done = self.replace(date, input, &partition, &held, &mut metrics).await;
                lock = Some(held);
                done
            }
        };
        let failure = outcome.err().map(|Failed { status, error }| {
            tracing::error!("Partition `{}` failed: {error}", partition.uri());
            metrics.status = status;
            metrics.error = Some(error.to_string());
            error
        });
        metrics.processed_at_utc = audit_time(Utc::now());
        metrics.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Compacted { metrics, failure, lock }
    }

    async fn replace(
        &self,
        date: NaiveDate,
        input: &Input,
        partition: &Partition,
        lock: &PartitionLock,
        metrics: &mut Metrics,
    ) -> Result<(), Failed> {
        let query = Query::new(self.context).map_err(as_status(Status::ReadFailed))?;
        let may_lose_numbers = self.read(&query, input, metrics).await.map_err(as_status(Status::ReadFailed))?;
        let count = query.json("select count(*) as total from source", &[]).await;
        metrics.total_rows_in_source_partition = first(&count.map_err(as_status(Status::CountFailed))?, "total");

        let (sql, columns) = self.gold(&query).await.map_err(as_status(Status::ReadFailed))?;
        let rows = query.stream(&sql, &[], &columns).await.map_err(as_status(Status::ReadFailed))?;
        let settings = WriteSettings {
            codec: Codec::Snappy,
            sizing: FileSizing { target_file_mb: TARGET_FILE_MB, files_max: self.settings.files_max },
        };
        self.audit.begin(&metrics.target_date, &self.context.run_id).await.map_err(as_status(Status::WriteFailed))?;
        let success = publish_rows(partition, rows, settings, &self.context.run_id, lock).await.map_err(|error| {
            // The rows are computed while they are written.
            let reading = matches!(error, Error::Rows { .. } | Error::Unreadable { .. } | Error::NotFound { .. });
            as_status(if reading { Status::ReadFailed } else { Status::WriteFailed })(error)
        })?;
        self.context.output(partition, &success);
        metrics.status = Status::Written;
        metrics.output_files = success.files.len() as u64;
        metrics.output_bytes = success.bytes();
        metrics.rows_after_dedup = success.rows.unwrap_or_default();
        self.count(&query, date, partition, &success, may_lose_numbers, metrics)
            .await
            .map_err(as_status(Status::CountFailed))
    }

    /// Registers the input as gold's types; whether a number can be lost on the way.
    async fn read(&self, query: &Query, input: &Input, metrics: &mut Metrics) -> Result<bool, JobError> {
        let names: Vec<String> = input.objects.iter().map(|object| object.name.clone()).collect();
        query.parquet("source", &self.settings.processed, &names, None).await?;
        let plan = plan::normalised(&query.columns("source").await?);
        metrics.missing_columns = plan.missing.iter().map(|name| (*name).to_owned()).collect();
        query.view("normalised", &plan.sql, &[]).await?;
        query.view("hashed", plan::HASHED, &[]).await?;
        query.view("deduplicated", plan::DEDUPLICATED, &[("compacted_at", Value::from(self.compacted_at))]).await?;
        Ok(plan.may_lose_numbers)
    }

    async fn gold(&self, query: &Query) -> Result<(String, Vec<Column>), JobError> {
        let mut columns = gold();
        let Some(dimension) = self.dimension else { return Ok((plan::gold(None), columns)) };
        let (added, join) = dimension.register(query).await?;
        columns.extend(dimension.columns.iter().cloned());
        Ok((plan::gold(Some((&added, &join))), columns))
    }

    /// The counts of the published rows.
    async fn count(
        &self,
        query: &Query,
        date: NaiveDate,
        partition: &Partition,
        success: &Success,
        may_lose_numbers: bool,
        metrics: &mut Metrics,
    ) -> Result<(), JobError> {
        let names: Vec<String> = success.files.iter().map(|file| file.name.clone()).collect();
        query.parquet("gold", &partition.folder(), &names, Some(&gold())).await?;
        let days = self.settings.watermark_days;
        let late_before = days.and_then(|days| date.checked_sub_days(Days::new(days.into()))).unwrap_or(date);
        let parameters = [("date", Value::from(date)), ("late_before", Value::from(late_before))];
        let counts = query.json(plan::METRICS, &parameters).await?;
        metrics.rows_after_dedup = first(&counts, "rows_after_dedup");
        metrics.null_transaction_id = first(&counts, "null_transaction_id");
        metrics.null_timestamp = first(&counts, "null_timestamp");
        metrics.null_store = first(&counts, "null_store");
        metrics.dq_balance_issues = first(&counts, "dq_balance_issues");
        metrics.rows_outside_date = first(&counts, "rows_outside_date");
        metrics.late_rows = days.map(|_| first(&counts, "late_rows"));
        let total = metrics.total_rows_in_source_partition;
        metrics.duplicate_rows_removed = total.saturating_sub(metrics.rows_after_dedup);
        // Which rows stay is found out again only if any row at all has lost a number: it is the larger part of the work.
        if may_lose_numbers && lost_numbers(query, "normalised").await? > 0 {
            metrics.numeric_parse_failures = lost_numbers(query, "deduplicated").await?;
        }
        if !metrics.missing_columns.is_empty() {
            metrics.warnings.push(format!("missing_columns:{}", metrics.missing_columns.join(",")));
        }
        Ok(())
    }
}

/// How many numbers the rows of a table have lost on the way from what the files say.
async fn lost_numbers(query: &Query, table: &str) -> Result<u64, JobError> {
    let lost = query.json(&format!("select sum(parse_failures) as lost from {table}"), &[]).await?;
    Ok(first(&lost, "lost"))
}

/// A count of the first row; 0 if it is null.
fn first(rows: &[Map<String, Json>], name: &str) -> u64 {
    rows.first().and_then(|row| row.get(name)).and_then(Json::as_u64).unwrap_or_default()
}
