//! State machines, their revisions, and activities.

use asl::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// `STANDARD` or `EXPRESS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateMachineType {
    /// Durable, exactly once.
    Standard,
    /// In memory.
    Express,
}

/// `ACTIVE` or `DELETING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateMachineStatus {
    /// May be started.
    Active,
    /// Waits for its executions to end.
    Deleting,
}

/// A state machine with its current revision.
#[derive(Clone, Debug, PartialEq)]
pub struct StateMachineRecord {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: StateMachineType,
    /// Its status.
    pub status: StateMachineStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// The current revision.
    pub revision: RevisionRecord,
    /// Tags, `[{"key","value"}]`.
    pub tags: Value,
}

/// One revision of a state machine: what an execution runs on to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionRecord {
    /// The key.
    pub id: Uuid,
    /// Of which machine.
    pub state_machine_arn: String,
    /// 1, 2, 3, ... for people.
    pub number: u32,
    /// The definition's text, as it was given.
    pub definition: String,
    /// The role.
    pub role_arn: String,
    /// `loggingConfiguration`, as it was given.
    pub logging: Value,
    /// `tracingConfiguration`, as it was given.
    pub tracing: Value,
    /// `encryptionConfiguration`, as it was given, or null.
    pub encryption: Value,
    /// When this revision became current.
    pub created_at: Timestamp,
}

/// An activity.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityRecord {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Tags, `[{"key","value"}]`.
    pub tags: Value,
}
