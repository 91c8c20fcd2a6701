//! The public history: what `GetExecutionHistory` shows of an event, made from that event alone.
//!
//! Source: Step Functions API, `HistoryEvent`; details per type in the API model.

use serde_json::{Map, Value, json};

use crate::definition::Resource;
use crate::execution::{Event, EventKind, Failure};

/// The event as the AWS JSON protocol writes it; `None` for what the history does not show.
///
/// `timestamp` is in epoch seconds with milliseconds; inputs and outputs are JSON texts. Without `include_data` inputs,
/// outputs, parameters, variables and the reasons of failures are left out.
pub fn project(event: &Event, include_data: bool) -> Option<Value> {
    let public = event.public?;
    let (name, details) = type_and_details(&event.kind, include_data);
    let mut shown = Map::new();
    shown.insert("timestamp".to_owned(), json!(event.at.epoch_seconds()));
    shown.insert("type".to_owned(), json!(name));
    shown.insert("id".to_owned(), json!(public.id));
    shown.insert("previousEventId".to_owned(), json!(public.previous));
    if let Some(details) = details {
        shown.insert(details_member(&name), Value::Object(details.0));
    }
    Some(Value::Object(shown))
}

/// The public type of the event, `PassStateEntered` and the like; `None` for what the history does not show.
pub fn type_name(event: &Event) -> Option<String> {
    event.public.map(|_| type_and_details(&event.kind, false).0)
}

/// `stateEnteredEventDetails` for all states alike, else the type's name in lower camel case.
fn details_member(name: &str) -> String {
    if name.ends_with("StateEntered") {
        return "stateEnteredEventDetails".to_owned();
    }
    if name.ends_with("StateExited") {
        return "stateExitedEventDetails".to_owned();
    }
    let (first, rest) = name.split_at(1);
    format!("{}{rest}EventDetails", first.to_ascii_lowercase())
}

/// The details of one event.
struct Details(Map<String, Value>, bool);

impl Details {
    fn new(include_data: bool) -> Self {
        Self(Map::new(), include_data)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// `input` or `output` with its details.
    fn data(self, key: &str, value: &Value) -> Self {
        if !self.1 {
            return self;
        }
        self.with(key, value.to_string()).with(&format!("{key}Details"), json!({"truncated": false}))
    }

    fn failure(self, failure: &Failure) -> Self {
        if !self.1 {
            return self;
        }
        self.maybe("error", failure.error.clone()).maybe("cause", failure.cause.clone())
    }
}

fn type_and_details(kind: &EventKind, include_data: bool) -> (String, Option<Details>) {
    let details = || Details::new(include_data);
    let none = |name: &str| (name.to_owned(), None);
    let some = |name: &str, details: Details| (name.to_owned(), Some(details));
    match kind {
        EventKind::ExecutionStarted { identity, input, .. } => some(
            "ExecutionStarted",
            details()
                .data("input", input)
                .with("roleArn", identity.role_arn.clone())
                .maybe("stateMachineAliasArn", identity.state_machine_alias_arn.clone())
                .maybe("stateMachineVersionArn", identity.state_machine_version_arn.clone()),
        ),
        EventKind::StateEntered { name, state, input } => {
            (format!("{}StateEntered", state.as_str()), Some(details().with("name", &**name).data("input", input)))
        }
        EventKind::StateExited { name, state, output, assigned, .. } => {
            let mut shown = details().with("name", &**name).data("output", output);
            if let (Some(assigned), true) = (assigned, include_data) {
                let texts: Map<String, Value> =
                    assigned.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect();
                shown = shown
                    .with("assignedVariables", texts)
                    .with("assignedVariablesDetails", json!({"truncated": false}));
            }
            (format!("{}StateExited", state.as_str()), Some(shown))
        }
        EventKind::StateAborted { state, .. } => (format!("{}StateAborted", state.as_str()), None),
        EventKind::TaskScheduled {
            resource, input, region, timeout_seconds, heartbeat_seconds, credentials, ..
        } => {
            let (prefix, shown) = of_task(resource, details());
            let role = credentials.as_ref().map(|credentials| json!({"roleArn": credentials["RoleArn"]}));
            let shown = match &**resource {
                Resource::Activity(arn) => shown
                    .with("resource", arn.clone())
                    .data("input", input)
                    .maybe("timeoutInSeconds", *timeout_seconds)
                    .maybe("heartbeatInSeconds", *heartbeat_seconds),
                Resource::Lambda(arn) => shown
                    .with("resource", arn.clone())
                    .data("input", input)
                    .maybe("timeoutInSeconds", *timeout_seconds)
                    .maybe("taskCredentials", role),
                Resource::Service { .. } => shown
                    .with("region", &**region)
                    .maybe("parameters", include_data.then(|| input.to_string()))
                    .maybe("timeoutInSeconds", *timeout_seconds)
                    .maybe("heartbeatInSeconds", *heartbeat_seconds)
                    .maybe("taskCredentials", role),
            };
            (format!("{prefix}Scheduled"), Some(shown))
        }
        EventKind::TaskStarted { resource, worker, .. } => {
            let (prefix, shown) = of_task(resource, details());
            let shown = match &**resource {
                Resource::Lambda(_) => None,
                Resource::Activity(_) => Some(shown.maybe("workerName", worker.clone())),
                Resource::Service { .. } => Some(shown),
            };
            (format!("{prefix}Started"), shown)
        }
        EventKind::TaskSubmitted { resource, output, .. } => {
            let (prefix, shown) = of_task(resource, details());
            (format!("{prefix}Submitted"), Some(shown.data("output", output)))
        }
        EventKind::TaskSucceeded { resource, output, .. } => {
            let (prefix, shown) = of_task(resource, details());
            (format!("{prefix}Succeeded"), Some(shown.data("output", output)))
        }
        EventKind::TaskFailed { resource, failure, .. } => {
            let (prefix, shown) = of_task(resource, details());
            (format!("{prefix}Failed"), Some(shown.failure(failure)))
        }
        EventKind::TaskTimedOut { resource, failure, .. } => {
            let (prefix, shown) = of_task(resource, details());
            (format!("{prefix}TimedOut"), Some(shown.failure(failure)))
        }
        EventKind::EvaluationFailed { name, failure, location } => some(
            "EvaluationFailed",
            details().failure(failure).maybe("location", location.clone()).with("state", &**name),
        ),
        EventKind::ParallelStarted { .. } => none("ParallelStateStarted"),
        EventKind::ParallelSucceeded => none("ParallelStateSucceeded"),
        EventKind::ParallelFailed => none("ParallelStateFailed"),
        EventKind::MapStarted { length, .. } => some("MapStateStarted", details().with("length", *length)),
        EventKind::MapIterationStarted { name, index, .. } => {
            some("MapIterationStarted", iteration(details(), name, *index))
        }
        EventKind::MapIterationSucceeded { name, index } => {
            some("MapIterationSucceeded", iteration(details(), name, *index))
        }
        EventKind::MapIterationFailed { name, index, .. } => {
            some("MapIterationFailed", iteration(details(), name, *index))
        }
        EventKind::MapIterationAborted { name, index } => {
            some("MapIterationAborted", iteration(details(), name, *index))
        }
        EventKind::MapSucceeded => none("MapStateSucceeded"),
        EventKind::MapFailed => none("MapStateFailed"),
        EventKind::MapRunStarted { arn, .. } => some("MapRunStarted", details().with("mapRunArn", arn.clone())),
        EventKind::MapRunSucceeded => none("MapRunSucceeded"),
        EventKind::MapRunFailed { failure } => some("MapRunFailed", details().failure(failure)),
        EventKind::ExecutionSucceeded { output } => some("ExecutionSucceeded", details().data("output", output)),
        EventKind::ExecutionFailed { failure } => some("ExecutionFailed", details().failure(failure)),
        EventKind::ExecutionTimedOut { failure } => some("ExecutionTimedOut", details().failure(failure)),
        EventKind::ExecutionAborted { failure } => some("ExecutionAborted", details().failure(failure)),
        // These have no public id, so nobody asks for their names.
        EventKind::WaitStarted { .. } => none("WaitStarted"),
        EventKind::RetryScheduled { .. } => none("RetryScheduled"),
        EventKind::BranchStarted { .. } => none("BranchStarted"),
        EventKind::BranchSucceeded => none("BranchSucceeded"),
    }
}

fn iteration(details: Details, name: &str, index: u64) -> Details {
    details.with("name", name).with("index", index)
}

/// The beginning of the type's name, and the details that all events of such a task have.
fn of_task(resource: &Resource, details: Details) -> (&'static str, Details) {
    match resource {
        Resource::Activity(_) => ("Activity", details),
        Resource::Lambda(_) => ("LambdaFunction", details),
        Resource::Service { service, api, pattern } => (
            "Task",
            details.with("resourceType", service.clone()).with("resource", format!("{api}{}", pattern.suffix())),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::definition::Pattern;
    use crate::execution::{FrameId, PublicId};
    use crate::ids::TaskId;
    use crate::time::Timestamp;

    fn event(kind: EventKind) -> Event {
        let public = Some(PublicId { id: 5, previous: 4 });
        Event { id: 7, at: Timestamp::from_millis(1_700_000_000_250), frame: FrameId::TOP, public, kind }
    }

    fn glue() -> Arc<Resource> {
        Arc::new(Resource::Service {
            service: "glue".to_owned(),
            api: "startJobRun".to_owned(),
            pattern: Pattern::Sync,
        })
    }

    #[test]
    fn task_events_repeat_what_is_called() {
        let output = Arc::new(json!({"JobRunId": "jr_1"}));
        let kind = EventKind::TaskSubmitted { task: TaskId(3), resource: glue(), output };
        let expected = json!({
            "timestamp": 1_700_000_000.25,
            "type": "TaskSubmitted",
            "id": 5,
            "previousEventId": 4,
            "taskSubmittedEventDetails": {
                "resourceType": "glue",
                "resource": "startJobRun.sync",
                "output": "{\"JobRunId\":\"jr_1\"}",
                "outputDetails": {"truncated": false},
            },
        });
        assert_eq!(project(&event(kind), true), Some(expected));
    }

    #[test]
    fn data_and_reasons_are_left_out_on_demand() {
        let failure = Failure::new("Own", "a secret");
        let failed = event(EventKind::TaskFailed { task: TaskId(3), resource: glue(), failure });
        let shown = project(&failed, false).expect("a public event");
        assert_eq!(shown["taskFailedEventDetails"], json!({"resourceType": "glue", "resource": "startJobRun.sync"}));
    }

    #[test]
    fn internal_events_are_not_shown() {
        let kind = EventKind::WaitStarted { due_at: Timestamp::from_millis(0) };
        assert_eq!(project(&Event { public: None, ..event(kind) }, true), None);
    }
}
