//! State machines, their revisions, and activities.

use asl::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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

impl StateMachineRecord {
    /// A standard machine at its first revision, without logging, tracing, encryption and tags; its role is one of
    /// `account`'s that nobody asks for.
    pub fn plain(arn: &str, name: &str, definition: &str, account: &str, now: Timestamp) -> StateMachineRecord {
        StateMachineRecord {
            arn: arn.to_owned(),
            name: name.to_owned(),
            kind: StateMachineType::Standard,
            status: StateMachineStatus::Active,
            created_at: now,
            revision: RevisionRecord {
                id: Uuid::now_v7(),
                state_machine_arn: arn.to_owned(),
                number: 1,
                definition: definition.to_owned(),
                role_arn: format!("arn:aws:iam::{account}:role/stepwell"),
                logging: json!({ "level": "OFF", "includeExecutionData": false }),
                tracing: json!({ "enabled": false }),
                encryption: Value::Null,
                created_at: now,
            },
            tags: json!([]),
        }
    }
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
