//! The CloudWatch metrics of an execution, under Stepwell's namespace with the names of `AWS/States`.
//!
//! Source: asl.md 6.1. They are written when the execution ends: its start is told with the time it was, which
//! CloudWatch takes for two weeks back.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{CLOUDWATCH, Settings};
use crate::engine::Ending;
use crate::store::{ExecutionStatus, NewOutboxMessage};

/// The row of the outbox; `None` where metrics do not go to CloudWatch, and for what the server runs for itself.
pub fn execution_metrics(settings: &Settings, ending: &Ending<'_>) -> Option<NewOutboxMessage> {
    let namespace = settings.cloudwatch_namespace.as_ref()?;
    let record = ending.record;
    if record.trigger == "system" {
        return None;
    }
    let ended = match ending.end.status {
        ExecutionStatus::Succeeded => "ExecutionsSucceeded",
        ExecutionStatus::Failed => "ExecutionsFailed",
        ExecutionStatus::TimedOut => "ExecutionsTimedOut",
        ExecutionStatus::Aborted => "ExecutionsAborted",
        ExecutionStatus::Running => return None,
    };
    let (started_at, stopped_at) = (record.started_at.millis(), ending.end.stopped_at.millis());
    let mut data = Vec::new();
    for dimensions in [json!({ "StateMachineArn": record.state_machine_arn }), json!({})] {
        let datum = |name: &str, value: i64, unit: &str, at: i64| -> Value {
            json!({ "name": name, "value": value, "unit": unit, "at": at, "dimensions": dimensions })
        };
        data.push(datum("ExecutionsStarted", 1, "Count", started_at));
        data.push(datum(ended, 1, "Count", stopped_at));
        data.push(datum("ExecutionTime", (stopped_at - started_at).max(0), "Milliseconds", stopped_at));
    }
    Some(NewOutboxMessage {
        id: Uuid::new_v5(&record.id, b"metrics"),
        channel: CLOUDWATCH.to_owned(),
        payload: json!({ "namespace": namespace, "data": data }),
        created_at: ending.end.stopped_at,
    })
}
