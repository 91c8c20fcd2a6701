//! Activities and task tokens.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EpochSeconds, Tag};

/// `CreateActivity`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateActivityInput {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// At most 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    /// Accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<Value>,
}

/// The answer to `CreateActivity`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateActivityOutput {
    /// The activity's ARN.
    pub activity_arn: String,
    /// When it was created.
    pub creation_date: EpochSeconds,
}

/// A request that names an activity: `DescribeActivity`, `DeleteActivity`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityArnInput {
    /// The activity.
    pub activity_arn: Option<String>,
}

/// An activity, as an item of `ListActivities`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Its ARN.
    pub activity_arn: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub creation_date: EpochSeconds,
}

/// The answer to `DescribeActivity`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeActivityOutput {
    /// The activity.
    #[serde(flatten)]
    pub activity: Activity,
    /// Always AWS's own key.
    pub encryption_configuration: Value,
}

/// The answer to `ListActivities`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListActivitiesOutput {
    /// The page.
    pub activities: Vec<Activity>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `GetActivityTask`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetActivityTaskInput {
    /// The activity.
    pub activity_arn: Option<String>,
    /// 1 to 80 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_name: Option<String>,
}

/// The answer to `GetActivityTask`; empty when there was no task in time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetActivityTaskOutput {
    /// What to report with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_token: Option<String>,
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// `SendTaskSuccess`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendTaskSuccessInput {
    /// Which task.
    pub task_token: Option<String>,
    /// JSON text, at most 256 KiB.
    pub output: Option<String>,
}

/// `SendTaskFailure`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendTaskFailureInput {
    /// Which task.
    pub task_token: Option<String>,
    /// At most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// At most 32,768 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// `SendTaskHeartbeat`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendTaskHeartbeatInput {
    /// Which task.
    pub task_token: Option<String>,
}
