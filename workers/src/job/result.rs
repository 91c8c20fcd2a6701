//! The result object of a job.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Code, JobError};
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
    /// The result a job left at its `--result_path`; `None` if it left none.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` for what is no place, `STORAGE_ERROR`, `SCHEMA_VALIDATION_FAILED` for what is no result.
    pub(crate) async fn left_at(lake: &Lake, uri: &str) -> Result<Option<JobResult>, JobError> {
        let place = lake.folder_at(uri)?;
        let Some((folder, name)) = place.parent() else { return Ok(None) };
        let Some(bytes) = folder.get_optional(&name).await? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(result) => Ok(Some(result)),
            Err(error) => {
                let message =
                    format!("`{uri}` is no result of a job: {error}; what the job did is not known, run it again");
                Err(JobError::new(Code::SchemaValidationFailed, message))
            }
        }
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
                Code::ALL.iter().find(|code| code.as_str() == self.code).map_or(1, |code| code.exit_status())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_result_is_not_a_result_that_cannot_be_read() {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let folder = lake.folder("b", "runs").unwrap();
        let result = r#"{"job":"j","run_id":"r","status":"PARTIAL","code":"OK","message":"m","started_at":"","ended_at":"",
            "metrics":{},"outputs":[],"warnings":[]}"#;
        for (name, text) in [("whole", result), ("torn", &result[..40]), ("empty", ""), ("other", r#"{"job":"j"}"#)] {
            folder.put(name, text).await.unwrap();
        }
        let left = async |name: &str| JobResult::left_at(&lake, &format!("s3://b/runs/{name}")).await;
        assert_eq!(left("whole").await.unwrap().unwrap().status, JobStatus::Partial);
        assert_eq!(left("none").await.unwrap(), None);
        for (name, part) in [("torn", "EOF"), ("empty", "EOF"), ("other", "missing field `run_id`")] {
            let error = left(name).await.unwrap_err();
            assert_eq!(error.code, Code::SchemaValidationFailed, "{name}");
            assert!(error.message.contains(&format!("`s3://b/runs/{name}`")), "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }
}
