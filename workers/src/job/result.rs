//! The result object of a job.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::JobError;
use crate::lake::Lake;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// Done.
    Succeeded,
    /// Rightly nothing to do.
    Skipped,
    /// Done, but some partitions failed.
    Partial,
    /// Failed.
    Failed,
}

/// A dataset or partition a job wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Where.
    pub uri: String,
    /// Rows.
    pub rows: u64,
    /// Number of files.
    pub files: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// What every job ends with: the last line of standard output.
///
/// Source: pipelines.md 0.3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// The job's name.
    pub job: String,
    /// This run.
    pub run_id: String,
    /// How it ended.
    pub status: JobStatus,
    /// The code of a skip or failure (pipelines.md 6.1); `OK` on success.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// ISO-8601, UTC.
    pub started_at: String,
    /// ISO-8601, UTC.
    pub ended_at: String,
    /// Counts and measures by name.
    pub metrics: Map<String, Value>,
    /// What was written.
    pub outputs: Vec<Output>,
    /// What went on, degraded.
    pub warnings: Vec<String>,
}

impl JobResult {
    /// The result a job left at its `--result_path`; `None` if it left none that can be read.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` for what is no place, `STORAGE_ERROR`.
    pub(crate) async fn left_at(lake: &Lake, uri: &str) -> Result<Option<JobResult>, JobError> {
        let place = lake.folder_at(uri)?;
        let Some((folder, name)) = place.parent() else { return Ok(None) };
        let bytes = folder.get_optional(&name).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// How it ended, for the output of a function.
    pub(crate) fn described(&self) -> Value {
        json!({ "status": self.status, "code": self.code, "message": self.message })
    }

    /// 0 success or skip, 1 failed, 2 bad arguments, 3 partly failed.
    pub fn exit_status(&self) -> u8 {
        match self.status {
            JobStatus::Succeeded | JobStatus::Skipped => 0,
            JobStatus::Partial => 3,
            JobStatus::Failed => {
                super::Code::ALL.iter().find(|code| code.as_str() == self.code).map_or(1, |code| code.exit_status())
            }
        }
    }
}
