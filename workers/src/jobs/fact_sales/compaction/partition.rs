//! One partition: read, normalise, hash, deduplicate, sort, replace, count, account for.
//!
//! Source: pipelines.md 2.4.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value as Json};

use super::super::columns::{DATE, gold};
use super::audit::{Audit, Metrics, Status};
use super::dimension::Dimension;
use super::plan::{self, Normalised};
use super::selection::Input;
use super::settings::Settings;
use super::tally::{Days, LOST, Tally, tallied};
use crate::job::{Code, JobContext, JobError};
use crate::lake::publish::{WriteSettings, publish_rows};
use crate::lake::{Codec, Error, FileSizing, Partition, PartitionLock, Rows, audit_time, hive_name};
use crate::query::{Query, Value};

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
    /// Partitions that are compacted side by side.
    pub at_once: usize,
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
    /// Why the audit could not be written, if it could not.
    pub unaudited: Option<JobError>,
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
        let (mut lock, mut unaudited) = (None, None);
        let outcome = match self.context.lock(&partition).await {
            Err(error) => Err(Failed { status: Status::WriteFailed, error }),
            Ok(_) if input.objects.is_empty() => Ok(()),
            Ok(held) => {
                let done = self.replace(date, input, &partition, &held, &mut metrics, &mut unaudited).await;
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
        let unaudited = self.account(&metrics, failure.as_ref(), lock, unaudited).await;
        Compacted { metrics, failure, unaudited }
    }

    /// Writes the audit, then gives the lock back; why there is no audit or no note of its beginning (`unaudited`), if so.
    async fn account(
        &self,
        metrics: &Metrics,
        failure: Option<&JobError>,
        lock: Option<Arc<PartitionLock>>,
        unaudited: Option<Error>,
    ) -> Option<JobError> {
        let date = &metrics.target_date;
        // A date that another run works on is that run's to account for.
        let taken = failure.is_some_and(|error| error.code == Code::ConcurrentRunsExceeded);
        let unaudited = if taken { unaudited } else { self.audit.end(metrics).await.err().or(unaudited) };
        if let Some(error) = &unaudited {
            self.context.warn(format!("the audit of {date} cannot be written: {}", error.chain()));
        }
        if let Some(lock) = lock
            && let Err(error) = lock.release().await
        {
            self.context.warn(format!("the lock of {date} cannot be given back, it will expire: {}", error.chain()));
        }
        unaudited.map(JobError::from)
    }

    async fn replace(
        &self,
        date: NaiveDate,
        input: &Input,
        partition: &Partition,
        lock: &PartitionLock,
        metrics: &mut Metrics,
        unaudited: &mut Option<Error>,
    ) -> Result<(), Failed> {
        let query = Query::beside(self.context, self.at_once).map_err(as_status(Status::ReadFailed))?;
        let plan = self.read(&query, input, metrics).await.map_err(as_status(Status::ReadFailed))?;
        let counts = query.json(&plan.counts(), &[]).await.map_err(as_status(Status::CountFailed))?;
        metrics.total_rows_in_source_partition = first(&counts, "total");
        let lost = plan.may_lose.iter().map(|name| (name, first(&counts, name))).filter(|(_, count)| *count > 0);
        let lost: Vec<String> = lost.map(|(name, count)| format!("{name}={count}")).collect();
        if !lost.is_empty() {
            metrics.warnings.push(format!("lost_values:{}", lost.join(",")));
        }

        let days = Days { date, late_before: self.late_before(date) };
        let rows = self.gold(&query, plan.may_lose_numbers).await.map_err(as_status(Status::ReadFailed))?;
        let (rows, tally) = tallied(rows, days);
        let settings = WriteSettings {
            codec: Codec::Snappy,
            sizing: FileSizing { target_file_mb: TARGET_FILE_MB, files_max: self.settings.files_max },
        };
        // Without its audit the partition is whole all the same.
        *unaudited = self.audit.begin(&metrics.target_date, &self.context.run_id).await.err();
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
        self.count(*tally.lock(), metrics);
        Ok(())
    }

    /// Registers the input as gold's types.
    async fn read(&self, query: &Query, input: &Input, metrics: &mut Metrics) -> Result<Normalised, JobError> {
        let names: Vec<String> = input.objects.iter().map(|object| object.name.clone()).collect();
        let folder = &self.settings.processed;
        let losing = query.parquet("source", folder, &names, None).await?;
        let mut found = query.columns("source").await?;
        if !losing.is_empty() {
            found.extend(losing);
            query.parquet("source", folder, &names, Some(&found)).await?;
        }
        let plan = plan::normalised(&found);
        metrics.missing_columns = plan.missing.iter().map(|name| (*name).to_owned()).collect();
        query.view("normalised", &plan.sql, &[]).await?;
        query.view("hashed", plan::HASHED, &[]).await?;
        query.view("deduplicated", plan::DEDUPLICATED, &[("compacted_at", Value::from(self.compacted_at))]).await?;
        Ok(plan)
    }

    /// The rows of the partition, with [`LOST`] as their last column if they can have lost numbers.
    async fn gold(&self, query: &Query, may_lose_numbers: bool) -> Result<Rows, JobError> {
        let mut columns = gold();
        let dimension = match self.dimension {
            Some(dimension) => {
                columns.extend(dimension.columns.iter().cloned());
                Some(dimension.register(query).await?)
            }
            None => None,
        };
        if may_lose_numbers {
            columns.push(LOST);
        }
        let dimension = dimension.as_ref().map(|(added, join)| (added.as_str(), join.as_str()));
        query.stream(&plan::gold(dimension, may_lose_numbers), &[], &columns).await
    }

    /// The first day that is not late.
    fn late_before(&self, date: NaiveDate) -> NaiveDate {
        let days = self.settings.watermark_days.map(|days| chrono::Days::new(days.into()));
        days.and_then(|days| date.checked_sub_days(days)).unwrap_or(date)
    }

    /// The counts of the published rows.
    fn count(&self, tally: Tally, metrics: &mut Metrics) {
        metrics.null_transaction_id = tally.null_transaction_id;
        metrics.null_timestamp = tally.null_timestamp;
        metrics.null_store = tally.null_store;
        metrics.dq_balance_issues = tally.dq_balance_issues;
        metrics.rows_outside_date = tally.rows_outside_date;
        metrics.late_rows = self.settings.watermark_days.map(|_| tally.late_rows);
        metrics.numeric_parse_failures = tally.numeric_parse_failures;
        let total = metrics.total_rows_in_source_partition;
        metrics.duplicate_rows_removed = total.saturating_sub(metrics.rows_after_dedup);
        if !metrics.missing_columns.is_empty() {
            metrics.warnings.push(format!("missing_columns:{}", metrics.missing_columns.join(",")));
        }
    }
}

/// A count of the first row; 0 if it is null.
fn first(rows: &[Map<String, Json>], name: &str) -> u64 {
    rows.first().and_then(|row| row.get(name)).and_then(Json::as_u64).unwrap_or_default()
}
