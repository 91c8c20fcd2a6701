//! What is written about each partition and each run.
//!
//! Source: pipelines.md 2.5.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::super::columns::DATE;
use crate::lake::{Error, Folder, hive_name};

/// The folder of all audits of this job, below `--audit_path`.
const FOLDER: &str = "gold_compaction";
/// The audit of a partition, in its folder.
const METRICS: &str = "metrics.json";
/// The audit of the last run.
const SUMMARY: &str = "last_run_summary.json";
/// There while a partition is being replaced: a run that finds it knows that another one broke off.
const IN_PROGRESS: &str = "_in_progress.json";

/// How a partition ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Replaced.
    Written,
    /// Nothing to read.
    #[default]
    NoInput,
    /// The input cannot be read; the old partition stays.
    ReadFailed,
    /// The rows of the input cannot be counted; the old partition stays.
    CountFailed,
    /// The new partition could not be written; the old one stays.
    WriteFailed,
}

/// `metrics.json`. Counts are of the rows after deduplication, except the first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Metrics {
    pub target_date: String,
    pub input_partition: String,
    pub output_partition: String,
    pub total_rows_in_source_partition: u64,
    pub rows_after_dedup: u64,
    pub duplicate_rows_removed: u64,
    pub null_timestamp: u64,
    pub null_store: u64,
    pub dq_balance_issues: u64,
    pub processed_at_utc: String,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub run_id: String,
    pub warnings: Vec<String>,
    pub null_transaction_id: u64,
    pub numeric_parse_failures: u64,
    pub missing_columns: Vec<String>,
    pub rows_outside_date: u64,
    /// Rows older than the partition by more than `--watermark_days`; null without that argument.
    #[serde(default)]
    pub late_rows: Option<u64>,
    pub input_files: u64,
    pub input_bytes: u64,
    pub input_fingerprint: String,
    pub output_files: u64,
    pub output_bytes: u64,
    pub duration_ms: u64,
}

/// Where audits are.
#[derive(Clone, Debug)]
pub(super) struct Audit {
    folder: Folder,
}

impl Audit {
    /// Those below `--audit_path`.
    pub fn new(audit_path: &Folder) -> Audit {
        Audit { folder: audit_path.child(FOLDER) }
    }

    fn of(&self, date: &str) -> Folder {
        self.folder.child(&hive_name(DATE, Some(date)))
    }

    /// The audit of a date; `None` if there is none or it is not of this job.
    pub async fn metrics(&self, date: &str) -> Result<Option<Metrics>, Error> {
        let bytes = self.of(date).get_optional(METRICS).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Notes that a date is about to be replaced.
    pub async fn begin(&self, date: &str, run_id: &str) -> Result<(), Error> {
        self.of(date).put(IN_PROGRESS, serde_json::json!({ "run_id": run_id }).to_string()).await
    }

    /// Writes a date's audit and takes the note away.
    pub async fn end(&self, metrics: &Metrics) -> Result<(), Error> {
        let folder = self.of(&metrics.target_date);
        let json = serde_json::to_vec_pretty(metrics).expect("an audit has string keys only");
        folder.put(METRICS, json).await?;
        folder.delete(IN_PROGRESS).await
    }

    /// The values of the dates that carry a note.
    pub async fn in_progress(&self) -> Result<Vec<String>, Error> {
        let suffix = format!("/{IN_PROGRESS}");
        let objects = self.folder.objects().await?;
        let folders = objects.iter().filter_map(|object| object.name.strip_suffix(&suffix));
        Ok(folders.filter_map(|name| crate::lake::hive_value(name, DATE).flatten()).collect())
    }

    /// Writes the summary of a run.
    pub async fn summarise(&self, summary: &Json) -> Result<(), Error> {
        let json = serde_json::to_vec_pretty(summary).expect("a summary has string keys only");
        self.folder.put(SUMMARY, json).await
    }
}
