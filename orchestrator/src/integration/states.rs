//! `states:startExecution`, plain, `.sync` and `.sync:2`: executions started by executions. Source: asl.md 4.5.

use std::time::Duration;

use asl::definition::Pattern;
use asl::{Failure, Timestamp};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::call::{Call, Outcome};
use crate::engine::{Engine, StartError, StartRequest};
use crate::store::{self, ExecutionId, ExecutionRecord, ExecutionStatus, Hint};

/// How often a nested execution is looked at when no hint says that it ended.
const LOOK: Duration = Duration::from_secs(5);

pub(super) async fn start_execution(call: &mut Call, pattern: Pattern) -> Outcome {
    let submitted =
        call.task().submission.as_ref().and_then(|submission| submission["execution"].as_str()?.parse().ok());
    let child: ExecutionId = match submitted {
        Some(child) => child,
        None => {
            let (child, answer) = match start(call).await {
                Ok(started) => started,
                Err(outcome) => return outcome,
            };
            if pattern == Pattern::RequestResponse {
                return Outcome::Done(answer);
            }
            // Written down before it is waited for.
            let row = match call.engine().task_of(call.task().token.as_str()).await {
                Ok(row) => row,
                Err(error) => return error.into(),
            };
            let submission = json!({ "execution": child.to_string() });
            if let Err(error) = call.engine().submitted(&row, answer, submission).await {
                return error.into();
            }
            child
        }
    };
    call.give_up_slot();
    if pattern == Pattern::WaitForTaskToken {
        return Outcome::Awaited;
    }
    call.set_child(child);
    match ended(call.engine(), child).await {
        Ok(Some(record)) if record.status == ExecutionStatus::Succeeded => {
            Outcome::Done(description(&record, pattern == Pattern::Sync2))
        }
        Ok(Some(record)) => Outcome::Failed(Failure::new("States.TaskFailed", description(&record, false).to_string())),
        Ok(None) => Outcome::Failed(Failure::new("States.TaskFailed", "The nested execution does not exist any more.")),
        Err(error) => error.into(),
    }
}

/// Starts the execution, or finds the one that this task started before a crash.
async fn start(call: &Call) -> Result<(ExecutionId, Value), Outcome> {
    let input = call.input();
    let refuse = |error: &str, why: String| Outcome::Failed(Failure::new(format!("StepFunctions.{error}"), why));
    let Some(machine) = input["StateMachineArn"].as_str() else {
        return Err(refuse("InvalidArnException", "StateMachineArn must be given".to_owned()));
    };
    let value = match input.get("Input") {
        None | Some(Value::Null) => json!({}),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|error| {
            refuse("InvalidExecutionInputException", format!("Invalid State Machine Execution Input: '{error}'"))
        })?,
        Some(value) => value.clone(),
    };
    let given = input["Name"].as_str();
    // The same name after every crash: a second start finds the first.
    let task = call.task();
    let derived = Uuid::new_v5(&task.execution, &task.task.0.to_be_bytes()).to_string();
    let request = StartRequest {
        id: None,
        state_machine_arn: machine.to_owned(),
        name: Some(given.map_or_else(|| derived.clone(), str::to_owned)),
        input: value.to_string(),
        input_value: value,
        trace_header: input["TraceHeader"].as_str().map(str::to_owned),
        trigger: "nested".to_owned(),
        exclusive: false,
    };
    match call.engine().start(request).await {
        Ok(started) => Ok((started.id, answer(&started.arn, started.started_at, &derived))),
        Err(StartError::AlreadyExists(record)) if given.is_none() => {
            Ok((record.id, answer(&record.arn, record.started_at, &derived)))
        }
        Err(StartError::AlreadyExists(record)) => {
            Err(refuse("ExecutionAlreadyExistsException", format!("Execution Already Exists: '{}'", record.arn)))
        }
        Err(StartError::MachineGone) => {
            Err(refuse("StateMachineDoesNotExistException", format!("State Machine Does Not Exist: '{machine}'")))
        }
        Err(StartError::MachineDeleting) => {
            Err(refuse("StateMachineDeletingException", format!("State Machine is being deleted: '{machine}'")))
        }
        Err(error @ StartError::PartitionBusy(_)) => Err(refuse("ConflictException", error.to_string())),
        Err(StartError::Fault(error)) => Err(error.into()),
    }
}

fn answer(arn: &str, started_at: Timestamp, request_id: &str) -> Value {
    json!({
        "ExecutionArn": arn,
        "SdkHttpMetadata": { "HttpStatusCode": 200 },
        "SdkResponseMetadata": { "RequestId": request_id },
        "StartDate": started_at.millis(),
    })
}

/// Waits until the execution has ended; `None` if there is none.
async fn ended(engine: &Engine, id: ExecutionId) -> store::Result<Option<ExecutionRecord>> {
    // Subscribed before looking, so that an end in between is not missed.
    let mut changes = engine.changes();
    loop {
        match engine.store().execution_by_id(id).await? {
            Some(record) if record.status == ExecutionStatus::Running => {}
            other => return Ok(other),
        }
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = &mut look => break,
                hint = changes.recv() => match hint {
                    Ok(Hint::Execution { id: hinted, ended: true }) if hinted == id => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => { look.as_mut().await; break }
                },
            }
        }
    }
}

/// The execution in PascalCase; `parsed`: its input and output as values and not as texts.
fn description(record: &ExecutionRecord, parsed: bool) -> Value {
    let shown = |text: &String| match serde_json::from_str::<Value>(text) {
        Ok(value) if parsed => value,
        _ => json!(text),
    };
    let mut description = json!({
        "ExecutionArn": record.arn,
        "Input": shown(&record.input),
        "InputDetails": { "Included": true },
        "Name": record.name,
        "StartDate": record.started_at.millis(),
        "StateMachineArn": record.state_machine_arn,
        "Status": record.status.as_str(),
        "StopDate": record.stopped_at.map(Timestamp::millis),
    });
    if let Some(output) = &record.output {
        description["Output"] = shown(output);
        description["OutputDetails"] = json!({ "Included": true });
    }
    for (name, text) in [("Error", &record.error), ("Cause", &record.cause)] {
        if let Some(text) = text {
            description[name] = json!(text);
        }
    }
    description
}
