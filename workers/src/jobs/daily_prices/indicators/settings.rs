//! The arguments of the indicators job.

use chrono::{Days, NaiveDate};

use crate::job::{Arguments, JobError};
use crate::lake::FileSizing;
use crate::lake::publish::WriteSettings;

/// The arguments the job takes.
pub const ARGUMENTS: &[&str] = &[
    "environment",
    "domain",
    "table_name",
    "ds",
    "interval",
    "data_source",
    "prices_curated_bucket",
    "prices_prefix",
    "output_bucket",
    "output_prefix",
    "schema_fingerprint_s3_uri",
    "codec",
    "target_file_mb",
    "lookback_days",
    "output_partitions",
    "benchmark_symbol",
];

/// The longest window, about 40 years of trading days.
const LOOKBACK_ROWS_MAX: usize = 10_000;

/// Checked arguments.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The day.
    pub ds: NaiveDate,
    /// Interval of the prices.
    pub interval: String,
    /// Source of the prices.
    pub data_source: String,
    /// Bucket of the prices.
    pub prices_bucket: String,
    /// Prefix of the prices table.
    pub prices_prefix: String,
    /// Bucket of the indicators.
    pub output_bucket: String,
    /// Prefix of the indicators table.
    pub output_prefix: String,
    /// Where the schema of the indicators is recorded.
    pub schema_fingerprint_uri: String,
    /// Rows of a symbol's window, its row of the day included.
    pub lookback_rows: usize,
    /// The symbol that stands for the market.
    pub benchmark_symbol: Option<String>,
    /// Files of the output.
    pub write: WriteSettings,
}

impl Settings {
    /// Checks a command line.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` naming the argument.
    pub fn parse(arguments: &Arguments) -> Result<Self, JobError> {
        let owned = |name: &str| arguments.required(name).map(str::to_owned);
        let lookback_rows = arguments.number("lookback_days", 252)?;
        if !(1..=LOOKBACK_ROWS_MAX).contains(&lookback_rows) {
            return Err(JobError::arguments(format!(
                "--lookback_days is {lookback_rows}; give a number of observations, 1 to {LOOKBACK_ROWS_MAX}"
            )));
        }
        let codec = arguments.text("codec", "zstd").parse();
        let codec = codec.map_err(|error: String| JobError::arguments(format!("--codec: {error}")))?;
        Ok(Self {
            ds: arguments.date("ds")?,
            interval: arguments.text("interval", "1d").to_owned(),
            data_source: arguments.text("data_source", "yahoo_finance").to_owned(),
            prices_bucket: owned("prices_curated_bucket")?,
            prices_prefix: owned("prices_prefix")?,
            output_bucket: owned("output_bucket")?,
            output_prefix: owned("output_prefix")?,
            schema_fingerprint_uri: owned("schema_fingerprint_s3_uri")?,
            lookback_rows,
            benchmark_symbol: arguments.optional("benchmark_symbol").map(str::to_owned),
            write: WriteSettings {
                codec,
                sizing: FileSizing {
                    target_file_mb: arguments.number("target_file_mb", 256)?,
                    files_max: arguments.number("output_partitions", 4)?,
                },
            },
        })
    }

    /// The first day read: `ceil(1.6 × lookback) + 20` calendar days hold the window's trading days with room for
    /// holidays and a symbol's own gaps.
    pub fn first_day(&self) -> NaiveDate {
        let days = (self.lookback_rows as u64 * 8).div_ceil(5) + 20;
        self.ds.checked_sub_days(Days::new(days - 1)).unwrap_or(NaiveDate::MIN)
    }

    /// The days read, for messages.
    pub fn span(&self) -> String {
        format!("{} to {}", self.first_day(), self.ds)
    }
}
