//! Executions, and which of them or of their events are asked for.

use asl::{Event, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::ExecutionId;

/// The status of an execution, as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Not ended.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended by an error.
    Failed,
    /// Ran past its time.
    TimedOut,
    /// Stopped.
    Aborted,
}

impl ExecutionStatus {
    /// The API's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

impl std::str::FromStr for ExecutionStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Running, Self::Succeeded, Self::Failed, Self::TimedOut, Self::Aborted]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no status of an execution"))
    }
}

/// An execution's row.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRecord {
    /// The key.
    pub id: ExecutionId,
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The machine.
    pub state_machine_arn: String,
    /// The revision it runs on.
    pub revision: Uuid,
    /// The number of that revision, for people.
    pub revision_number: u32,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// The input's text, as it was given.
    pub input: String,
    /// The output's text, once it succeeded.
    pub output: Option<String>,
    /// The error's name.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// The guard of commits.
    pub last_event_id: EventId,
    /// The last public event.
    pub last_public_id: EventId,
    /// `traceHeader`.
    pub trace_header: Option<String>,
    /// The pipeline it is a run of.
    pub pipeline: Option<String>,
    /// The partition, when it is a run of exactly one.
    pub partition: Option<String>,
    /// Who started it: `api`, `rest`, `dashboard`, `schedule`, `nested`, `system`.
    pub trigger: String,
}

/// An execution with all its events.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its row.
    pub record: ExecutionRecord,
    /// All its events, in order.
    pub events: Vec<Event>,
}

/// An execution as it stood after one of its commits: what the engine reads instead of the events up to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The last event it knows.
    pub event: EventId,
    /// The last public event it knows.
    pub public: EventId,
    /// The engine's own text.
    pub state: String,
}

/// An execution with its newest snapshot and the events after that.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Its row.
    pub record: ExecutionRecord,
    /// Its newest snapshot; without one `events` are all.
    pub snapshot: Option<SnapshotRecord>,
    /// The events after the snapshot, in order.
    pub events: Vec<Event>,
}

/// Which executions a list holds.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Only of this machine.
    pub state_machine_arn: Option<String>,
    /// Only in one of these; in any if there is none.
    pub statuses: Vec<ExecutionStatus>,
    /// Only those that ended since.
    pub stopped_since: Option<Timestamp>,
    /// Only runs of this pipeline.
    pub pipeline: Option<String>,
    /// Only runs of this partition.
    pub partition: Option<String>,
    /// Only those that are no pipeline's run.
    pub alone: bool,
}

/// Which events of a history.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// Newest first.
    pub reverse: bool,
    /// Only events behind this public id, in reading direction.
    pub after: Option<EventId>,
    /// At most so many.
    pub limit: u32,
}
