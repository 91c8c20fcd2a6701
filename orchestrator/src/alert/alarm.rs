//! The alert of a job that went on although something is not as it should be: its data are published, and somebody should
//! look at them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::message::subject;
use super::{SNS, Settings};
use crate::store::{ExecutionRecord, NewOutboxMessage, TaskRecord};

/// Alarms of one job that a message carries: SNS takes 256 KiB.
const ALARMS_MAX: usize = 50;
/// How loud an alarm can be, the loudest first.
const SEVERITIES: [&str; 4] = ["critical", "high", "medium", "low"];

/// The row of the outbox for the alarms in a job's report (`metrics.alarms`: `[{severity, text}]`); `None` if it has none, or
/// failed, which is its run's alert. A report that is sent again gives the same row.
pub fn job_alarms(
    settings: &Settings,
    topic: Option<&str>,
    execution: &ExecutionRecord,
    task: &TaskRecord,
    report: &Value,
    at: asl::Timestamp,
) -> Option<NewOutboxMessage> {
    if report["status"] == "FAILED" {
        return None;
    }
    let alarms = report["metrics"]["alarms"].as_array().filter(|alarms| !alarms.is_empty())?;
    let severity = |alarm: &Value| SEVERITIES.iter().position(|name| alarm["severity"] == *name);
    let loudest = alarms.iter().min_by_key(|alarm| severity(alarm).unwrap_or(SEVERITIES.len()))?;
    let (pipeline, job) =
        (execution.pipeline.as_deref().unwrap_or_default(), report["job"].as_str().unwrap_or_default());
    let partition = &report["partition"];
    let day = partition.as_str().map(|day| format!(" {day}")).unwrap_or_default();
    let [severity, text] = ["severity", "text"].map(|name| loudest[name].as_str().unwrap_or_default());
    let message = json!({
        "pipeline": pipeline,
        "ds": partition,
        "status": "PUBLISHED_WITH_ALARMS",
        "severity": severity,
        "state": task.state,
        "job": job,
        "alarms": alarms.iter().take(ALARMS_MAX).collect::<Vec<_>>(),
        "alarmsInAll": alarms.len(),
        "executionArn": execution.arn,
        "stateMachineArn": execution.state_machine_arn,
        "environment": settings.environment,
        "link": settings.execution_url(&execution.arn),
    });
    let subject = subject(&format!("{pipeline}{day} alarm {severity}: {text}"));
    Some(NewOutboxMessage {
        id: Uuid::new_v5(&execution.id, format!("alarms of task {}", task.task.0).as_bytes()),
        channel: SNS.to_owned(),
        payload: json!({ "topic_arn": settings.topic_arn(topic), "subject": subject, "message": message }),
        created_at: at,
    })
}
