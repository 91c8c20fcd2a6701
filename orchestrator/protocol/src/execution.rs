//! Executions and their histories.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DataDetails, EpochSeconds};

/// `StartExecution`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartExecutionInput {
    /// The machine.
    pub state_machine_arn: Option<String>,
    /// 1 to 80 characters; a UUID without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON text, `{}` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// At most 256 ASCII characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<String>,
}

/// The answer to `StartExecution`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartExecutionOutput {
    /// The execution's ARN.
    pub execution_arn: String,
    /// When it started.
    pub start_date: EpochSeconds,
}

/// A request that names an execution: `DescribeExecution`, `DescribeStateMachineForExecution`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionArnInput {
    /// The execution.
    pub execution_arn: Option<String>,
    /// `ALL_DATA` (default) or `METADATA_ONLY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub included_data: Option<String>,
}

/// The answer to `DescribeExecution`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeExecutionOutput {
    /// The execution's ARN.
    pub execution_arn: String,
    /// Its machine.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`.
    pub status: String,
    /// When it started.
    pub start_date: EpochSeconds,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_date: Option<EpochSeconds>,
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Whether the input is included.
    pub input_details: DataDetails,
    /// JSON text, once it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Whether the output is included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_details: Option<DataDetails>,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<String>,
    /// The error's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error's cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How often it was redriven.
    pub redrive_count: u32,
    /// `REDRIVABLE` or `NOT_REDRIVABLE`.
    pub redrive_status: String,
    /// Why it cannot be redriven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrive_status_reason: Option<String>,
}

/// `ListExecutions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListExecutionsInput {
    /// The machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_machine_arn: Option<String>,
    /// The map run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_run_arn: Option<String>,
    /// Only in this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_filter: Option<String>,
    /// 0 to 1000; 0 and absent are 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<i64>,
    /// From the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The answer to `ListExecutions`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListExecutionsOutput {
    /// The page, newest first.
    pub executions: Vec<ExecutionListItem>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// An execution in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionListItem {
    /// Its ARN.
    pub execution_arn: String,
    /// Its machine.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: String,
    /// When it started.
    pub start_date: EpochSeconds,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_date: Option<EpochSeconds>,
    /// How often it was redriven.
    pub redrive_count: u32,
}

/// `StopExecution`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopExecutionInput {
    /// The execution.
    pub execution_arn: Option<String>,
    /// At most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// At most 32,768 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The answer to `StopExecution`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopExecutionOutput {
    /// When it stopped.
    pub stop_date: EpochSeconds,
}

/// `GetExecutionHistory`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetExecutionHistoryInput {
    /// The execution.
    pub execution_arn: Option<String>,
    /// 0 to 1000; 0 and absent are 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<i64>,
    /// Newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_order: Option<bool>,
    /// From the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// Whether inputs and outputs are part of it; `true` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_execution_data: Option<bool>,
}

/// The answer to `GetExecutionHistory`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetExecutionHistoryOutput {
    /// `HistoryEvent` objects.
    pub events: Vec<Value>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}
