//! The public history as pages read it: the wire form of the API, with the few internal facts that pages also need.

use std::collections::HashMap;

use asl::execution::EventKind;
use asl::{Event, EventId, TaskId, Timestamp};
use serde_json::{Value, json};

/// Kind of the internal event "a Wait state waits", with `dueAt` (milliseconds) in its details.
pub const WAIT_STARTED: &str = "WaitStarted";
/// Kind of the internal event "the state failed and will be tried again", with `dueAt` in its details.
pub const RETRY_SCHEDULED: &str = "RetryScheduled";

/// All events of an execution: the public ones in the wire's form, and those internal ones that say what is waited for.
pub fn project(events: &[Event]) -> Vec<HistoryEvent> {
    let mut last_of_frame = HashMap::new();
    let mut history = Vec::with_capacity(events.len());
    for event in events {
        let public = asl::history::project(event, true).and_then(|wire| HistoryEvent::of_wire(&wire));
        if let Some(mut shown) = public {
            last_of_frame.insert(event.frame, shown.id);
            shown.task = (shown.task_step() == Some(TaskStep::Scheduled)).then_some(TaskId(event.id));
            if let EventKind::TaskStarted { worker: Some(worker), .. } = &event.kind {
                shown.worker = Some(worker.clone());
            }
            history.push(shown);
            continue;
        }
        let (kind, due_at, previous) = match &event.kind {
            EventKind::WaitStarted { due_at } => (WAIT_STARTED, *due_at, last_of_frame.get(&event.frame).copied()),
            EventKind::RetryScheduled { due_at, chain, .. } => (RETRY_SCHEDULED, *due_at, Some(*chain)),
            _ => continue,
        };
        history.push(HistoryEvent {
            id: 0,
            previous: previous.unwrap_or(0),
            at: event.at,
            kind: kind.to_owned(),
            details: json!({ "dueAt": due_at.millis() }),
            task: None,
            worker: None,
        });
    }
    history
}

/// The public history as the API shows it.
pub fn wire(events: &[Event]) -> Vec<Value> {
    events.iter().filter_map(|event| asl::history::project(event, true)).collect()
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// The public `id`; 0 for an internal event.
    pub id: EventId,
    /// `previousEventId`.
    pub previous: EventId,
    /// When.
    pub at: Timestamp,
    /// `type`.
    pub kind: String,
    /// The one `…EventDetails` member, or null.
    pub details: Value,
    /// The task it schedules, under the key that logs and reports use.
    pub task: Option<TaskId>,
    /// Who took the task, if it says so; AWS shows that for activities only.
    pub worker: Option<String>,
}

impl HistoryEvent {
    /// From the API's JSON; `None` if it is no history event.
    pub fn of_wire(wire: &Value) -> Option<Self> {
        let details = wire.as_object()?.iter().find(|(key, _)| key.ends_with("EventDetails"));
        let timestamp = wire.get("timestamp")?;
        let at = match timestamp.as_f64() {
            Some(seconds) => Timestamp::from_millis((seconds * 1000.0).round() as i64),
            None => Timestamp::from(timestamp.as_str()?.parse::<chrono::DateTime<chrono::Utc>>().ok()?),
        };
        Some(Self {
            id: wire.get("id")?.as_u64()?,
            previous: wire.get("previousEventId").and_then(Value::as_u64).unwrap_or(0),
            at,
            kind: wire.get("type")?.as_str()?.to_owned(),
            details: details.map_or(Value::Null, |(_, value)| value.clone()),
            task: None,
            worker: details.and_then(|(_, value)| value.get("workerName")?.as_str()).map(str::to_owned),
        })
    }

    /// A text of the details.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.details.get(key).and_then(Value::as_str)
    }

    /// The state's type if this is its `…StateEntered`: `Task`, `Map`, ...
    pub fn entered(&self) -> Option<&str> {
        self.kind.strip_suffix("StateEntered")
    }

    /// What an event of a task does to its attempt.
    pub fn task_step(&self) -> Option<TaskStep> {
        let step = ["Activity", "LambdaFunction", "Task"].iter().find_map(|prefix| self.kind.strip_prefix(prefix))?;
        Some(match step {
            "Scheduled" => TaskStep::Scheduled,
            "Started" => TaskStep::Started,
            "Submitted" => TaskStep::Submitted,
            "Succeeded" => TaskStep::Succeeded,
            "TimedOut" => TaskStep::TimedOut,
            "Failed" | "ScheduleFailed" | "StartFailed" | "SubmitFailed" => TaskStep::Failed,
            _ => return None,
        })
    }

    /// When the internal events say something is due.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.details.get("dueAt").and_then(Value::as_i64).map(Timestamp::from_millis)
    }
}

/// See [`HistoryEvent::task_step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStep {
    /// It was handed out.
    Scheduled,
    /// Somebody took it.
    Started,
    /// What it waits for was submitted.
    Submitted,
    /// Done.
    Succeeded,
    /// Not done.
    Failed,
    /// Not done in time.
    TimedOut,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_events_are_read() {
        let event = HistoryEvent::of_wire(&json!({
            "timestamp": 1757052003.25, "type": "TaskStateEntered", "id": 2, "previousEventId": 0,
            "stateEnteredEventDetails": { "name": "Preflight", "input": "{}" }
        }))
        .unwrap();
        assert_eq!(event.at, Timestamp::from_millis(1_757_052_003_250));
        assert_eq!((event.entered(), event.text("name")), (Some("Task"), Some("Preflight")));
        assert_eq!(HistoryEvent::of_wire(&json!({ "id": 1 })), None);
    }

    #[test]
    fn steps_of_all_kinds_of_tasks_are_known() {
        for (kind, step) in [
            ("ActivityScheduled", Some(TaskStep::Scheduled)),
            ("LambdaFunctionStarted", Some(TaskStep::Started)),
            ("TaskSubmitted", Some(TaskStep::Submitted)),
            ("TaskTimedOut", Some(TaskStep::TimedOut)),
            ("LambdaFunctionScheduleFailed", Some(TaskStep::Failed)),
            ("TaskStateEntered", None),
            ("TaskStateAborted", None),
            ("MapIterationFailed", None),
        ] {
            let wire = json!({ "timestamp": 1, "type": kind, "id": 1 });
            assert_eq!(HistoryEvent::of_wire(&wire).unwrap().task_step(), step, "{kind}");
        }
    }
}
