//! The alert of a run that did not succeed: what somebody woken at night has to know, in one message.

use asl::definition::Resource;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SNS, Settings};
use crate::engine::Ending;
use crate::store::{ExecutionStatus, NewOutboxMessage};

/// SNS refuses longer subjects, and any that are not plain ASCII. Source: SNS API reference, `Publish`.
const SUBJECT_CHARS_MAX: usize = 100;
/// A message is at most 256 KiB; this leaves room for the rest of it.
const CAUSE_CHARS_MAX: usize = 16_000;

/// What is told of a failed run.
#[derive(Clone, Debug)]
pub struct Alert {
    id: Uuid,
    at: asl::Timestamp,
    subject: String,
    body: Value,
    execution_arn: String,
}

impl Alert {
    /// The alert of a run of `pipeline` that has ended badly.
    pub fn of(ending: &Ending<'_>, pipeline: &str, partitions: &[String]) -> Self {
        let record = ending.record;
        let status = ending.end.status;
        let days = match partitions {
            [] => String::new(),
            [only] => format!(" {only}"),
            [first, .., last] => format!(" {first}..{last}"),
        };
        let error = ending.end.error.as_deref().unwrap_or_else(|| status.as_str());
        let cause: Option<String> =
            ending.end.cause.as_ref().map(|cause| cause.chars().take(CAUSE_CHARS_MAX).collect());
        let body = json!({
            "pipeline": pipeline,
            "ds": record.partition,
            "partitions": partitions,
            "status": status.as_str(),
            "state": failed_state(ending),
            "error": error,
            "cause": cause,
            "executionArn": record.arn,
            "stateMachineArn": record.state_machine_arn,
            "trigger": record.trigger,
            "startedAt": record.started_at.to_string(),
            "stoppedAt": ending.end.stopped_at.to_string(),
        });
        let word = match status {
            ExecutionStatus::TimedOut => "timed out",
            ExecutionStatus::Aborted => "was stopped",
            _ => "failed",
        };
        Self {
            id: Uuid::new_v5(&record.id, b"alert"),
            at: ending.end.stopped_at,
            subject: subject(&format!("{pipeline}{days} {word}: {error}")),
            body,
            execution_arn: record.arn.clone(),
        }
    }

    /// The row of the outbox.
    pub fn message(self, settings: &Settings, topic: Option<&str>) -> NewOutboxMessage {
        let mut body = self.body;
        body["environment"] = json!(settings.environment);
        body["link"] = json!(settings.execution_url(&self.execution_arn));
        NewOutboxMessage {
            id: self.id,
            channel: SNS.to_owned(),
            payload: json!({ "topic_arn": settings.topic_arn(topic), "subject": self.subject, "message": body }),
            created_at: self.at,
        }
    }
}

/// The row for an `sns:publish` of a state machine that has nowhere to go: kept, so that people see it was said.
pub fn not_configured_publish(id: Uuid, input: &Value, at: asl::Timestamp) -> NewOutboxMessage {
    NewOutboxMessage {
        id,
        channel: SNS.to_owned(),
        payload: json!({
            "topic_arn": input.get("TopicArn").or_else(|| input.get("TargetArn")),
            "subject": input["Subject"],
            "message": input["Message"],
        }),
        created_at: at,
    }
}

/// The state in which it went wrong: a machine that handles its failures says so in the data it goes on with
/// (`{ok: false, state}`, pipelines.md 1.10), otherwise it is the one whose error ended the run.
fn failed_state(ending: &Ending<'_>) -> Option<String> {
    let said = ending.execution.open_states().find_map(|open| {
        let input = &open.state.input;
        let failed = input.get("ok").and_then(Value::as_bool) == Some(false);
        Some(input.get("state")?.as_str()?.to_owned()).filter(|_| failed)
    });
    // Stopped or out of time: what it was at, the innermost first.
    let open = || ending.execution.open_states().last().map(|open| open.state.name.to_string());
    match ending.end.status {
        ExecutionStatus::Failed => said.or_else(|| ending.failed_state.clone()),
        _ => open(),
    }
}

/// Whether the run published a message itself on its way out, so that nobody is told twice.
pub(crate) fn has_notified(ending: &Ending<'_>) -> bool {
    let publishing = ending.execution.open_tasks().find(|(_, task)| {
        matches!(&*task.resource, Resource::Service { service, api, .. } if service == "sns" && api == "publish")
    });
    // A publish that failed is the last failure of the run.
    ending.end.status == ExecutionStatus::Failed
        && publishing.is_some_and(|(state, _)| ending.failed_state.as_deref() != Some(&**state))
}

/// A text as the subject of a message.
pub(super) fn subject(text: &str) -> String {
    let plain = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    plain.take(SUBJECT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_what_sns_takes() {
        assert_eq!(subject("prices 2024-12-07 failed: DQ_FAILED"), "prices 2024-12-07 failed: DQ_FAILED");
        assert_eq!(subject("a\nb ü"), "a?b ?");
        assert_eq!(subject(&"x".repeat(300)).len(), SUBJECT_CHARS_MAX);
    }
}
