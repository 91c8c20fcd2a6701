//! The settings of preflight, from the environment of the worker.

use crate::job::JobError;

/// The settings of preflight.
///
/// Source: pipelines.md 1.11.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ENVIRONMENT`: label of the environment, default `dev`.
    pub environment: String,
    /// `RAW_BUCKET`, where raw objects arrive.
    pub raw_bucket: Option<String>,
    /// `CURATED_BUCKET`, where tables are.
    pub curated_bucket: Option<String>,
    /// `ARTIFACTS_BUCKET`, where schema records are.
    pub artifacts_bucket: Option<String>,
    /// `COMPACTION_OUTPUT_SUBDIR`: the folder of compacted days in the table, default `compacted`.
    pub compaction_subdir: String,
    /// `MAX_BACKFILL_DAYS`: the most days of one range, default 31.
    pub backfill_days_max: u32,
    /// `EXPECTED_MIN_RECORDS`: fewer are worth a warning, default 100.
    pub expected_min_records: u64,
    /// `MAX_CRITICAL_ERROR_RATE`, in percent, default 5.
    pub critical_error_rate_max: f64,
    /// `CATALOG_UPDATE_DEFAULT`, default `on_schema_change`.
    pub catalog_update: String,
    /// `INDICATORS_TABLE_NAME`, default `indicators`.
    pub indicators_table: String,
    /// `INDICATORS_LOOKBACK_DAYS`: observations in an indicator's window, default 252.
    pub lookback_days: u32,
    /// `BENCHMARK_SYMBOL`: the market in beta and correlation; none by default.
    pub benchmark_symbol: Option<String>,
}

impl Config {
    /// The settings in the environment that `variable` looks into; blank is absent.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` naming a variable that is no number, or 0 where that makes no sense.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, JobError> {
        let variable = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let text = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let refuse = |name: &str, remedy: &str| {
            JobError::arguments(format!("the environment variable {name} is not valid; {remedy}"))
        };
        let count = |name: &'static str, default: u32| match variable(name).map(|text| text.parse()) {
            None => Ok(default),
            Some(Ok(number)) if number > 0 => Ok(number),
            Some(_) => Err(refuse(name, "give a whole number above 0")),
        };
        Ok(Self {
            environment: text("ENVIRONMENT", "dev"),
            raw_bucket: variable("RAW_BUCKET"),
            curated_bucket: variable("CURATED_BUCKET"),
            artifacts_bucket: variable("ARTIFACTS_BUCKET"),
            compaction_subdir: text("COMPACTION_OUTPUT_SUBDIR", "compacted"),
            backfill_days_max: count("MAX_BACKFILL_DAYS", 31)?,
            expected_min_records: match variable("EXPECTED_MIN_RECORDS").map(|text| text.parse()) {
                None => 100,
                Some(Ok(number)) => number,
                Some(Err(_)) => return Err(refuse("EXPECTED_MIN_RECORDS", "give a whole number")),
            },
            critical_error_rate_max: match variable("MAX_CRITICAL_ERROR_RATE").map(|text| text.parse::<f64>()) {
                None => 5.0,
                Some(Ok(rate)) if (0.0..=100.0).contains(&rate) => rate,
                Some(_) => return Err(refuse("MAX_CRITICAL_ERROR_RATE", "give a number of percent, 0 to 100")),
            },
            catalog_update: text("CATALOG_UPDATE_DEFAULT", "on_schema_change"),
            indicators_table: text("INDICATORS_TABLE_NAME", "indicators"),
            lookback_days: count("INDICATORS_LOOKBACK_DAYS", 252)?,
            benchmark_symbol: variable("BENCHMARK_SYMBOL"),
        })
    }
}
