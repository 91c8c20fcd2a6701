//! Preflight: may this day be processed, with which arguments, and from which step on?
//!
//! Input: `{ds?, date_range?: {start, end}, source_bucket?, source_key?, domain, table_name|table, file_type?, interval?,
//! data_source?, allowed_suffixes?, catalog_update?, reprocess?, environment?, raw_bucket?, indicators_table_name?}`;
//! other fields are ignored, null is absent.
//!
//! Output for one day: `{proceed, reason, ds?, glue_args?, indicators_args?, catalog_update?, resume_from?, error?: {code,
//! message}}`. For a `date_range`: `{dates: [one per day], truncated_days?}`, or the refusal alone. A refusal is an
//! answer, not a failure; only a fault of the storage fails the function, as `STORAGE_ERROR`.
//!
//! Source: pipelines.md 1.4.

mod config;
mod request;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use config::Config;
use request::{Days, Request};

use super::{check_source_pair, layout};
use crate::job::{Code, FunctionDefinition, JobError};
use crate::lake::{Lake, Table};

/// Days of a range looked at at once.
const DAYS_AT_ONCE: usize = 8;

/// The function.
pub(crate) const PREFLIGHT: FunctionDefinition = FunctionDefinition {
    name: "daily-prices-preflight",
    summary: "Decides whether a day is processed, and with which arguments",
    run: |lake, input| {
        Box::pin(async move { answer(&lake, Config::read(|name| std::env::var(name).ok()), &input).await })
    },
};

/// The answer; refusals are part of it.
async fn answer(lake: &Lake, config: Result<Config, JobError>, input: &Value) -> Result<Value, JobError> {
    let decided = match config {
        Ok(config) => decide(lake, &config, input).await,
        Err(error) => Err(error),
    };
    match decided {
        Err(error) if error.code == Code::PreValidationFailed => {
            tracing::warn!("Preflight refuses: {}", error.message);
            Ok(stop(error.code, &error.message, None))
        }
        decided => decided,
    }
}

async fn decide(lake: &Lake, config: &Config, input: &Value) -> Result<Value, JobError> {
    let request = Request::parse(input, config)?;
    let (start, end) = match &request.days {
        Days::Ignored(reason) => return Ok(stop(Code::IgnoredObject, reason, None)),
        Days::One(day) => {
            let check = Check::new(lake, config, &request).await?;
            return check.day(*day).await;
        }
        Days::Range(start, end) => (*start, *end),
    };
    let check = Check::new(lake, config, &request).await?;
    let days_max = config.backfill_days_max as usize;
    let truncated = ((end - start).num_days() as usize + 1).saturating_sub(days_max);
    let days = start.iter_days().take_while(|day| *day <= end).take(days_max);
    let dates: Vec<Value> =
        futures::stream::iter(days).map(|day| check.day(day)).buffered(DAYS_AT_ONCE).try_collect().await?;
    let mut output = Map::from_iter([("dates".to_owned(), Value::Array(dates))]);
    if truncated > 0 {
        tracing::warn!("Preflight cuts the range to {days_max} days and leaves out the last {truncated}");
        output.insert("truncated_days".to_owned(), truncated.into());
    }
    Ok(Value::Object(output))
}

/// `proceed = false`, with its code.
fn stop(code: Code, reason: &str, ds: Option<&str>) -> Value {
    let mut output = json!({"proceed": false, "reason": reason});
    if let Some(ds) = ds {
        output["ds"] = ds.into();
    }
    output["error"] = json!({"code": code.as_str(), "message": reason});
    output
}

/// The part of preflight that is the same for all days of a request.
struct Check<'a> {
    config: &'a Config,
    request: &'a Request,
    raw_bucket: &'a str,
    curated_bucket: &'a str,
    artifacts_bucket: &'a str,
    prices: Table,
    indicators: Table,
}

impl<'a> Check<'a> {
    async fn new(lake: &Lake, config: &'a Config, request: &'a Request) -> Result<Self, JobError> {
        let configured = |bucket: Option<&'a String>, variable: &str| {
            bucket.map(String::as_str).ok_or_else(|| {
                JobError::new(
                    Code::PreValidationFailed,
                    format!("no bucket is configured: set {variable} for the worker"),
                )
            })
        };
        let raw_bucket = configured(request.raw_bucket.as_ref().or(config.raw_bucket.as_ref()), "RAW_BUCKET")?;
        let curated_bucket = configured(config.curated_bucket.as_ref(), "CURATED_BUCKET")?;
        let artifacts_bucket = configured(config.artifacts_bucket.as_ref(), "ARTIFACTS_BUCKET")?;
        let table = |table: &str| -> Result<Table, JobError> {
            Ok(Table::new(lake.folder(curated_bucket, &layout::table_prefix(&request.domain, table))?))
        };
        let (prices, indicators) = (table(&request.table)?, table(&request.indicators_table)?);
        for table in [&prices, &indicators] {
            check_source_pair(&table.folder, &request.interval, &request.data_source).await?;
        }
        Ok(Self { config, request, raw_bucket, curated_bucket, artifacts_bucket, prices, indicators })
    }

    /// The decision for one day.
    async fn day(&self, day: NaiveDate) -> Result<Value, JobError> {
        let ds = day.to_string();
        let mut reason = "Ready to process";
        let mut resume_from = None;
        if self.request.reprocess {
            reason = "Reprocessing was asked for";
        } else if self.prices.partition(&ds).state().await?.is_complete() {
            if self.indicators.partition(&ds).state().await?.is_complete() {
                return Ok(stop(Code::IdempotentSkip, "Already processed", Some(&ds)));
            }
            // Its prices are there, its indicators are not: an earlier run failed in between.
            reason = "Curated prices are complete, indicators are not";
            resume_from = Some("indicators");
        }
        tracing::info!("Preflight lets {ds} proceed: {reason}");
        let mut output = json!({
            "proceed": true,
            "reason": reason,
            "ds": ds,
            "glue_args": self.prices_arguments(&ds),
            "indicators_args": self.indicators_arguments(&ds),
            "catalog_update": self.request.catalog_update.as_str(),
        });
        if let Some(step) = resume_from {
            output["resume_from"] = step.into();
        }
        Ok(output)
    }

    /// The arguments of compaction and transform.
    fn prices_arguments(&self, ds: &str) -> Value {
        let Request { domain, table, interval, data_source, .. } = self.request;
        let prefix = layout::table_prefix(domain, table);
        json!({
            "--environment": self.request.environment,
            "--domain": domain,
            "--table_name": table,
            "--raw_bucket": self.raw_bucket,
            "--raw_prefix": layout::raw_prefix(domain, table, interval, data_source),
            "--compacted_bucket": self.curated_bucket,
            "--compacted_prefix": format!("{prefix}{}", self.config.compaction_subdir),
            "--curated_bucket": self.curated_bucket,
            "--curated_prefix": prefix,
            "--schema_fingerprint_s3_uri": layout::fingerprint_uri(self.artifacts_bucket, domain, table),
            "--codec": "zstd",
            "--target_file_mb": "256",
            "--expected_min_records": self.config.expected_min_records.to_string(),
            // `{:?}` keeps the decimal of a whole number: `5.0`.
            "--max_critical_error_rate": format!("{:?}", self.config.critical_error_rate_max),
            "--ds": ds,
            "--file_type": self.request.file_type,
            "--interval": interval,
            "--data_source": data_source,
            "--output_partitions": "4",
        })
    }

    /// The arguments of the indicators job.
    fn indicators_arguments(&self, ds: &str) -> Value {
        let Request { domain, table, indicators_table, interval, data_source, .. } = self.request;
        let mut arguments = json!({
            "--environment": self.request.environment,
            "--domain": domain,
            "--table_name": indicators_table,
            "--ds": ds,
            "--interval": interval,
            "--data_source": data_source,
            "--prices_curated_bucket": self.curated_bucket,
            "--prices_prefix": layout::table_prefix(domain, table),
            "--output_bucket": self.curated_bucket,
            "--output_prefix": layout::table_prefix(domain, indicators_table),
            "--schema_fingerprint_s3_uri": layout::fingerprint_uri(self.artifacts_bucket, domain, indicators_table),
            "--codec": "zstd",
            "--target_file_mb": "256",
            "--lookback_days": self.config.lookback_days.to_string(),
            "--output_partitions": "4",
        });
        if let Some(symbol) = &self.config.benchmark_symbol {
            arguments["--benchmark_symbol"] = symbol.as_str().into();
        }
        arguments
    }
}
