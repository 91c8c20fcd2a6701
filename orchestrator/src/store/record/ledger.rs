//! The ledger: how each partition of a pipeline stands.

use asl::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::ExecutionId;

/// How a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Waits for another run.
    Queued,
    /// Is being made.
    Running,
    /// Is in.
    Succeeded,
    /// There was nothing to do, legitimately.
    Skipped,
    /// Is not in.
    Failed,
    /// Is in, but something it was made from has changed.
    Stale,
}

impl Outcome {
    /// The word the store keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Skipped => "SKIPPED",
            Self::Failed => "FAILED",
            Self::Stale => "STALE",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Skipped, Self::Failed, Self::Stale]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no outcome of a partition"))
    }
}

/// One row of the ledger: a partition of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The pipeline.
    pub pipeline: String,
    /// The partition, `2024-12-07`.
    pub partition: String,
    /// How it stands.
    pub outcome: Outcome,
    /// Why, for people.
    pub reason: Option<String>,
    /// The execution that made it so.
    pub execution: ExecutionId,
    /// Its ARN.
    pub execution_arn: String,
    /// Rows written.
    pub rows: Option<i64>,
    /// Bytes written.
    pub bytes: Option<i64>,
    /// Files written.
    pub files: Option<i64>,
    /// Quality results by job.
    pub quality: Value,
    /// When the run began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What the row said before this run began, if the partition was in: a run that finds it in place leaves it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<LedgerRow>>,
    /// The run that begins once this one has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Box<QueuedRun>>,
}

/// A run that waits for the end of another one of its partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRun {
    /// The key its execution will have.
    pub execution: ExecutionId,
    /// The ARN it will have.
    pub execution_arn: String,
    /// The name it will have.
    pub name: String,
    /// Its machine.
    pub state_machine_arn: String,
    /// JSON text.
    pub input: String,
    /// Who asked for it.
    pub trigger: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
}
