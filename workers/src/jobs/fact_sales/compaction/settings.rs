//! The arguments of the compaction.
//!
//! Source: pipelines.md 2.2.

use super::dimension::DimensionSettings;
use crate::job::{Arguments, JobError};
use crate::lake::{Folder, Lake};

/// What a run is to do.
#[derive(Debug)]
pub(super) struct Settings {
    pub processed: Folder,
    pub gold: Folder,
    pub audit: Folder,
    pub job_name: String,
    /// Partitions of one run.
    pub partitions_max: usize,
    /// Also what is in gold already.
    pub reprocess: bool,
    /// Exactly these, as they were written.
    pub force_dates: Vec<String>,
    /// Also what has changed since it was compacted.
    pub detect_changes: bool,
    /// How many days before gold's newest date a late one may be.
    pub watermark_days: Option<u32>,
    /// Files of one partition, at most.
    pub files_max: u64,
    pub crawler: Option<String>,
    pub dimension: Option<DimensionSettings>,
}

/// The arguments, without dashes.
pub(super) const ARGUMENTS: &[&str] = &[
    "processed_path",
    "gold_path",
    "audit_path",
    "max_partitions",
    "reprocess",
    "force_dates",
    "crawler_name",
    "output_files",
    "detect_changes",
    "watermark_days",
    "dimension_path",
    "dimension_key",
    "dimension_columns",
    "dimension_valid_from",
    "dimension_valid_to",
    "environment",
];

impl Settings {
    /// Checks the arguments, before anything is touched.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED`, naming the argument.
    pub fn read(arguments: &Arguments, lake: &Lake) -> Result<Settings, JobError> {
        let folder = |name: &str| Ok::<_, JobError>(lake.folder_at(arguments.required(name)?)?);
        let at_least_one = |name: &str, default: u64| match arguments.number(name, default)? {
            0 => Err(JobError::arguments(format!("--{name} is 0; give 1 or more"))),
            count => Ok(count),
        };
        let force_dates = list(arguments.text("force_dates", ""));
        if force_dates.is_empty() && arguments.optional("force_dates").is_some() {
            return Err(JobError::arguments(
                "--force_dates names no date; give dates as YYYY-MM-DD, separated by commas",
            ));
        }
        let watermark_days = match arguments.optional("watermark_days") {
            Some(_) => Some(arguments.number("watermark_days", 0)?),
            None => None,
        };
        Ok(Settings {
            processed: folder("processed_path")?,
            gold: folder("gold_path")?,
            audit: folder("audit_path")?,
            job_name: arguments.text("JOB_NAME", super::NAME).to_owned(),
            partitions_max: usize::try_from(at_least_one("max_partitions", 10)?).unwrap_or(usize::MAX),
            reprocess: arguments.flag("reprocess", false)?,
            force_dates,
            detect_changes: arguments.flag("detect_changes", false)?,
            watermark_days,
            files_max: at_least_one("output_files", 4)?,
            crawler: arguments.optional("crawler_name").map(str::to_owned),
            dimension: DimensionSettings::read(arguments)?,
        })
    }
}

/// A comma-separated list without its blanks.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
