//! State machines.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EpochSeconds, Tag};

/// `CreateStateMachine`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateStateMachineInput {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// The definition's text, at most 1 MiB.
    pub definition: Option<String>,
    /// The role's ARN.
    pub role_arn: Option<String>,
    /// `STANDARD` (default) or `EXPRESS`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Kept and given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_configuration: Option<Value>,
    /// Kept and given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing_configuration: Option<Value>,
    /// Kept and given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<Value>,
    /// At most 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    /// Whether to publish a version at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<bool>,
    /// Only with `publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_description: Option<String>,
}

/// The answer to `CreateStateMachine`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateStateMachineOutput {
    /// The machine's ARN.
    pub state_machine_arn: String,
    /// When it was created.
    pub creation_date: EpochSeconds,
}

/// `UpdateStateMachine`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStateMachineInput {
    /// The machine.
    pub state_machine_arn: Option<String>,
    /// The new definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The new role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The new logging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_configuration: Option<Value>,
    /// The new tracing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing_configuration: Option<Value>,
    /// The new encryption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<Value>,
    /// Whether to publish a version at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<bool>,
    /// Only with `publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_description: Option<String>,
}

/// The answer to `UpdateStateMachine`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStateMachineOutput {
    /// When the current revision became current.
    pub update_date: EpochSeconds,
    /// The current revision; absent while it is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
}

/// A request that names a machine: `DescribeStateMachine`, `DeleteStateMachine`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateMachineArnInput {
    /// The machine.
    pub state_machine_arn: Option<String>,
}

/// The answer to `DescribeStateMachine`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeStateMachineOutput {
    /// The machine's ARN.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE` or `DELETING`.
    pub status: String,
    /// The definition's text.
    pub definition: String,
    /// The role.
    pub role_arn: String,
    /// `STANDARD` or `EXPRESS`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was created.
    pub creation_date: EpochSeconds,
    /// As it was given, level `OFF` by default.
    pub logging_configuration: Value,
    /// As it was given, not enabled by default.
    pub tracing_configuration: Value,
    /// As it was given; AWS's own key by default.
    pub encryption_configuration: Value,
    /// The current revision; absent while it is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
    /// State name → names of the variables it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable_references: Option<Value>,
}

/// The answer to `DescribeStateMachineForExecution`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeStateMachineForExecutionOutput {
    /// The machine's ARN.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// The definition the execution runs on.
    pub definition: String,
    /// The role.
    pub role_arn: String,
    /// When that revision became current.
    pub update_date: EpochSeconds,
    /// As it was given.
    pub logging_configuration: Value,
    /// As it was given.
    pub tracing_configuration: Value,
    /// As it was given; AWS's own key by default.
    pub encryption_configuration: Value,
    /// The revision; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
    /// State name → names of the variables it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable_references: Option<Value>,
}

/// A request for a page of a list: `ListStateMachines`, `ListActivities`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListInput {
    /// 0 to 1000; 0 and absent are 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The answer to `ListStateMachines`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListStateMachinesOutput {
    /// The page.
    pub state_machines: Vec<StateMachineListItem>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A machine in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateMachineListItem {
    /// Its ARN.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// `STANDARD` or `EXPRESS`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was created.
    pub creation_date: EpochSeconds,
}

/// `ValidateStateMachineDefinition`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateStateMachineDefinitionInput {
    /// The definition's text, at most 1 MiB.
    pub definition: Option<String>,
    /// `STANDARD` (default) or `EXPRESS`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `ERROR` (default) or `WARNING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// 0 to 100; 0 and absent are 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<i64>,
}

/// The answer to `ValidateStateMachineDefinition`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateStateMachineDefinitionOutput {
    /// `OK` or `FAIL`.
    pub result: String,
    /// The findings.
    pub diagnostics: Vec<DefinitionDiagnostic>,
    /// Whether there were more than asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
}

/// A finding about a definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionDiagnostic {
    /// `ERROR` or `WARNING`.
    pub severity: String,
    /// `SCHEMA_VALIDATION_FAILED`, ...
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}
