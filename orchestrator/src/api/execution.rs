//! Executions: start, describe, list, stop.

use asl::Failure;
use protocol::{
    DataDetails, DescribeExecutionOutput, ExecutionArnInput, ExecutionListItem, ListExecutionsInput,
    ListExecutionsOutput, StartExecutionInput, StartExecutionOutput, StopExecutionInput, StopExecutionOutput,
};
use serde_json::Value;

use super::arn::{self, Kind};
use super::check::{self, Check};
use super::error::ApiError;
use super::{Api, state_machine};
use crate::engine::{StartError, StartRequest};
use crate::store::{ExecutionFilter, ExecutionRecord, ExecutionStatus, Page, StateMachineType};

/// AWS lists the words in this order.
const STATUSES: [&str; 6] = ["SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING"];

pub(super) async fn start(api: &Api, input: StartExecutionInput) -> Result<StartExecutionOutput, ApiError> {
    let mut check = Check::new();
    let machine_arn = check.required("stateMachineArn", &input.state_machine_arn, 1, 256);
    check.optional("name", &input.name, 1, 80);
    check.optional("traceHeader", &input.trace_header, 0, 256);
    check.done()?;
    arn::parse(&machine_arn, Kind::StateMachine)?;
    if let Some(name) = &input.name {
        check::name(name)?;
    }
    let text = input.input.unwrap_or_else(|| "{}".to_owned());
    let value = parse_input(&text, api.engine.config().limits.payload_bytes_max)?;
    let request = StartRequest {
        id: None,
        state_machine_arn: machine_arn.clone(),
        name: input.name,
        input: text,
        input_value: value,
        trace_header: input.trace_header,
        trigger: "api".to_owned(),
        exclusive: false,
    };
    match api.engine.start(request).await {
        Ok(started) => {
            Ok(StartExecutionOutput { execution_arn: started.arn, start_date: started.started_at.epoch_seconds() })
        }
        Err(StartError::MachineGone) => Err(ApiError::no_state_machine(&machine_arn)),
        Err(error) => Err(error.into()),
    }
}

/// The input, or why it is none.
fn parse_input(text: &str, bytes_max: usize) -> Result<Value, ApiError> {
    let refuse =
        |why: &str| ApiError::new("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{why}'"));
    if text.len() > bytes_max {
        return Err(refuse(&format!(
            "the input is {} bytes of UTF-8, the limit is {bytes_max}; pass large data by reference, as a path in the lake",
            text.len()
        )));
    }
    if text.trim().is_empty() {
        return Err(refuse("Invalid execution input."));
    }
    serde_json::from_str(text).map_err(|error| refuse(&error.to_string()))
}

pub(super) async fn describe(api: &Api, input: ExecutionArnInput) -> Result<DescribeExecutionOutput, ApiError> {
    let mut check = Check::new();
    check.one_of("includedData", &input.included_data, &["ALL_DATA", "METADATA_ONLY"]);
    check.done()?;
    let record = named(api, &input.execution_arn).await?;
    let included = input.included_data.as_deref() != Some("METADATA_ONLY");
    let (redrive_status, reason) = match record.status {
        ExecutionStatus::Running => ("NOT_REDRIVABLE", Some("Execution is RUNNING and cannot be redriven")),
        ExecutionStatus::Succeeded => ("NOT_REDRIVABLE", Some("Execution is SUCCEEDED and cannot be redriven")),
        _ => ("REDRIVABLE", None),
    };
    let details = DataDetails { included };
    Ok(DescribeExecutionOutput {
        execution_arn: record.arn,
        state_machine_arn: record.state_machine_arn,
        name: record.name,
        status: record.status.as_str().to_owned(),
        start_date: record.started_at.epoch_seconds(),
        stop_date: record.stopped_at.map(asl::Timestamp::epoch_seconds),
        input: included.then_some(record.input),
        input_details: details,
        output_details: record.output.is_some().then_some(details),
        output: record.output.filter(|_| included),
        trace_header: record.trace_header,
        error: record.error,
        cause: record.cause,
        redrive_count: 0,
        redrive_status: redrive_status.to_owned(),
        redrive_status_reason: reason.map(str::to_owned),
    })
}

pub(super) async fn list(api: &Api, input: ListExecutionsInput) -> Result<ListExecutionsOutput, ApiError> {
    let mut check = Check::new();
    check.optional("stateMachineArn", &input.state_machine_arn, 1, 256);
    check.one_of("statusFilter", &input.status_filter, &STATUSES);
    let limit = check.max_results(input.max_results, 1000);
    check.optional("nextToken", &input.next_token, 1, 3096);
    check.done()?;
    let Some(machine_arn) = input.state_machine_arn else {
        return Err(ApiError::validation(
            "Either stateMachineArn or mapRunArn must be given; map runs are not supported by this server yet",
        )
        .with("reason", "MISSING_REQUIRED_PARAMETER"));
    };
    if state_machine::find(api, &machine_arn).await?.kind == StateMachineType::Express {
        return Err(ApiError::not_for_this_type());
    }
    let status = match input.status_filter.as_deref() {
        // Only executions of map runs wait for a redrive.
        Some("PENDING_REDRIVE") => return Ok(ListExecutionsOutput { executions: Vec::new(), next_token: None }),
        Some(word) => word.parse().ok(),
        None => None,
    };
    let statuses = status.into_iter().collect();
    let filter = ExecutionFilter { state_machine_arn: Some(machine_arn), statuses, ..ExecutionFilter::default() };
    let page = Page { token: input.next_token, limit };
    let executions = api.engine.store().list_executions(&filter, &page).await?;
    let item = |record: ExecutionRecord| ExecutionListItem {
        execution_arn: record.arn,
        state_machine_arn: record.state_machine_arn,
        name: record.name,
        status: record.status.as_str().to_owned(),
        start_date: record.started_at.epoch_seconds(),
        stop_date: record.stopped_at.map(asl::Timestamp::epoch_seconds),
        redrive_count: 0,
    };
    Ok(ListExecutionsOutput {
        executions: executions.items.into_iter().map(item).collect(),
        next_token: executions.next,
    })
}

/// Succeeds for an execution that has ended, with the time it did.
pub(super) async fn stop(api: &Api, input: StopExecutionInput) -> Result<StopExecutionOutput, ApiError> {
    let mut check = Check::new();
    check.optional("error", &input.error, 0, 256);
    check.optional("cause", &input.cause, 0, 32_768);
    check.done()?;
    let record = named(api, &input.execution_arn).await?;
    api.engine.stop(record.id, Failure { error: input.error, cause: input.cause }).await?;
    let stopped = api.engine.store().execution_by_id(record.id).await?.and_then(|record| record.stopped_at);
    let stop_date = stopped.unwrap_or_else(|| api.engine.now()).epoch_seconds();
    Ok(StopExecutionOutput { stop_date })
}

/// The execution a request names.
pub(super) async fn named(api: &Api, arn: &Option<String>) -> Result<ExecutionRecord, ApiError> {
    let mut check = Check::new();
    let execution_arn = check.required("executionArn", arn, 1, 256);
    check.done()?;
    arn::parse(&execution_arn, Kind::Execution)?;
    api.engine.store().execution(&execution_arn).await?.ok_or_else(|| ApiError::no_execution(&execution_arn))
}
