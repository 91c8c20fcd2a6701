//! What every job of this system is told: the bucket, and the settings of the environment (`ECOM_…`).

use std::time::Duration;

use super::argument::{flag, number, setting};
use super::table::Layer;
use crate::job::{JobContext, JobError};
use crate::lake::Folder;

/// Files of one bronze commit. Source: pipelines.md 5.1, `ECOM_BATCH_SIZE`.
const BATCH_FILES_DEFAULT: usize = 100;
/// Source: pipelines.md 5.1, `ECOM_PROCESSING_TIMEOUT`.
const TIMEOUT_SECONDS_DEFAULT: u64 = 3_600;
/// Source: pipelines.md 5.1, `ECOM_GLUE_DATABASE_PREFIX`.
const DATABASE_PREFIX_DEFAULT: &str = "ecommerce";

/// The settings of one run.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The bucket all layers are in.
    pub bucket: Folder,
    /// Most files of one bronze commit, at least 1.
    pub batch_files: usize,
    /// A run or a status file older than this is reported.
    pub processing_timeout: Duration,
    /// Databases are `<prefix>_bronze`, `<prefix>_silver`, `<prefix>_gold`.
    pub database_prefix: String,
    /// Whether computed columns are checked before they are written.
    pub schema_validation: bool,
}

impl Settings {
    /// The settings of a run: arguments before environment.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` naming what is missing or malformed.
    pub fn of(context: &JobContext) -> Result<Settings, JobError> {
        let arguments = &context.arguments;
        let Some(bucket) = setting(arguments, "bucket-name", "ECOM_S3_BUCKET_NAME") else {
            return Err(JobError::arguments("no bucket: give --bucket-name or set ECOM_S3_BUCKET_NAME"));
        };
        // The store takes its region from the standard AWS environment; this one is only put into the result.
        if let Some(region) = setting(arguments, "region", "ECOM_AWS_REGION") {
            if region.len() > 32 || !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
                return Err(JobError::arguments(format!(
                    "--region is `{}`; give a region such as us-east-1",
                    region.escape_debug()
                )));
            }
            context.metric("region", region);
        }
        let batch_files = number(arguments, "batch-size", "ECOM_BATCH_SIZE", BATCH_FILES_DEFAULT)?;
        if batch_files == 0 {
            return Err(JobError::arguments("--batch-size (ECOM_BATCH_SIZE) is 0; give at least 1"));
        }
        let timeout_seconds =
            number(arguments, "processing-timeout", "ECOM_PROCESSING_TIMEOUT", TIMEOUT_SECONDS_DEFAULT)?;
        let database_prefix = setting(arguments, "database-prefix", "ECOM_GLUE_DATABASE_PREFIX")
            .unwrap_or_else(|| DATABASE_PREFIX_DEFAULT.to_owned());
        if !database_prefix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            return Err(JobError::arguments(format!(
                "--database-prefix is `{}`; use lower-case letters, digits and `_`",
                database_prefix.escape_debug()
            )));
        }
        Ok(Settings {
            bucket: context.lake.folder(&bucket, "")?,
            batch_files,
            processing_timeout: Duration::from_secs(timeout_seconds),
            database_prefix,
            schema_validation: flag(arguments, "schema-validation", "ECOM_SCHEMA_VALIDATION", true)?,
        })
    }

    /// `<layer>/<table>`.
    pub fn table(&self, layer: Layer, table: &str) -> Folder {
        self.bucket.child(&format!("{layer}/{table}"))
    }

    /// `<layer>/<status>/<dataset>`: where units of work lie by their status.
    ///
    /// Source: pipelines.md 5.7.
    pub fn status(&self, layer: Layer, status: &str, dataset: &str) -> Folder {
        self.bucket.child(&format!("{layer}/{status}/{dataset}"))
    }

    /// `rejected/<table>`: silver rows that broke a rule.
    pub fn rejected(&self, table: &str) -> Folder {
        self.bucket.child(&format!("rejected/{table}"))
    }

    /// The catalog's database of a layer.
    pub fn database(&self, layer: Layer) -> String {
        format!("{}_{layer}", self.database_prefix)
    }
}
