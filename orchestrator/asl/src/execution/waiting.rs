//! Where a frame stands and what it waits for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::StateType;
use super::{Execution, Frame, FrameId, ScheduleTask};
use crate::definition::Resource;
use crate::ids::{EventId, StateName, TaskId, TaskToken, TimerId, TimerKind};
use crate::time::Timestamp;

/// Where a frame stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Position {
    /// About to enter a state: what a turn goes on with.
    Entering {
        /// The state.
        name: StateName,
        /// Its raw input.
        input: Arc<Value>,
        /// The internal event that led here; the frame that has waited longest goes first.
        since: EventId,
    },
    /// In a state.
    Open(Box<OpenState>),
    /// At its end.
    Ended {
        /// The output of its last state.
        output: Arc<Value>,
    },
}

/// A state that was entered and not left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenState {
    /// Its name.
    pub name: StateName,
    /// Its type.
    pub state: StateType,
    /// Its raw input.
    pub input: Arc<Value>,
    /// When it was entered.
    pub entered_at: Timestamp,
    /// The public `…StateEntered` event (0 when it has none).
    pub entered_id: EventId,
    /// What that event points back to.
    pub entered_previous: EventId,
    /// Retries used so far, per retrier.
    pub retries: Vec<u64>,
    /// What it waits for; `None` only in the middle of a decision.
    pub waiting: Option<Waiting>,
}

impl OpenState {
    /// Retries of this visit, over all retriers: `State.RetryCount`.
    pub fn retry_count(&self) -> u64 {
        self.retries.iter().sum()
    }
}

/// What an open state waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Waiting {
    /// For a task.
    Task(Box<OpenTask>),
    /// For the end of a Wait state.
    Timer {
        /// The timer.
        timer: TimerId,
        /// When it is due.
        due_at: Timestamp,
    },
    /// For its next attempt.
    Retry {
        /// The timer.
        timer: TimerId,
        /// When it is due.
        due_at: Timestamp,
        /// The number of the attempt that will follow; 2 for the first retry.
        attempt: u64,
    },
    /// For its branches or iterations.
    Children(Box<Children>),
}

/// A task that was scheduled and has no outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenTask {
    /// The task.
    pub task: TaskId,
    /// 1 for the first attempt of this visit of the state.
    pub attempt: u64,
    /// What is called.
    pub resource: Arc<Resource>,
    /// The effective input.
    pub input: Arc<Value>,
    /// The token, for the patterns whose arguments may carry it.
    pub token: Option<TaskToken>,
    /// The public `…Scheduled` event.
    pub public_id: EventId,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// When somebody took it.
    pub started_at: Option<Timestamp>,
    /// Whether what it waits for was submitted.
    pub submitted: bool,
    /// The name the worker gave.
    pub worker: Option<String>,
    /// `TimeoutSeconds`.
    pub timeout_seconds: Option<u64>,
    /// `HeartbeatSeconds`.
    pub heartbeat_seconds: Option<u64>,
}

impl OpenTask {
    /// The command that hands the task out.
    pub fn schedule(&self, state: &StateName) -> ScheduleTask {
        ScheduleTask {
            task: self.task,
            state: state.clone(),
            attempt: self.attempt,
            resource: (*self.resource).clone(),
            input: self.input.clone(),
            token: self.token.clone(),
            public_id: self.public_id,
            timeout_seconds: self.timeout_seconds,
            heartbeat_seconds: self.heartbeat_seconds,
        }
    }

    /// Its timers, which run from its start: `TimeoutSeconds` and `HeartbeatSeconds` with the first due time of each.
    pub fn timers(&self) -> impl Iterator<Item = (TimerId, Timestamp)> {
        let event = self.task.0;
        let started_at = self.started_at;
        [(self.timeout_seconds, TimerKind::TaskTimeout), (self.heartbeat_seconds, TimerKind::Heartbeat)]
            .into_iter()
            .filter_map(move |(seconds, kind)| {
                let seconds = i64::try_from(seconds?).unwrap_or(i64::MAX);
                Some((TimerId { event, kind }, started_at?.plus_seconds(seconds)))
            })
    }
}

/// The branches of a Parallel or the iterations of a Map in progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Children {
    /// What Map iterations are made of; `None` for a Parallel.
    pub items: Option<MapItems>,
    /// The effective input of the state.
    pub input: Arc<Value>,
    /// How many children there will have been at the end.
    pub total: u64,
    /// How many may run at once.
    pub concurrency: u64,
    /// How many were opened.
    pub opened: u64,
    /// The frames of the open ones.
    pub open: Vec<FrameId>,
    /// The outputs of the finished ones, by index.
    pub results: Vec<Option<Arc<Value>>>,
    /// Iterations that failed and were tolerated.
    pub failed: u64,
    /// The map run of a distributed Map.
    pub map_run: Option<MapRun>,
}

impl Children {
    /// How many have ended.
    pub fn finished(&self) -> u64 {
        self.opened - self.open.len() as u64
    }
}

/// A distributed Map in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapRun {
    /// Its ARN.
    pub arn: String,
    /// The public `MapRunStarted` event.
    pub started_id: EventId,
    /// `ToleratedFailureCount`.
    pub tolerated_failure_count: u64,
    /// `ToleratedFailurePercentage`.
    pub tolerated_failure_percentage: f64,
}

/// The items of a Map: an array, or an object whose entries are the items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MapItems(pub Arc<Value>);

impl MapItems {
    /// How many.
    pub fn len(&self) -> usize {
        match &*self.0 {
            Value::Array(items) => items.len(),
            Value::Object(items) => items.len(),
            _ => 0,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the item and, for the items of an object, its key.
    pub fn get(&self, index: usize) -> Option<(Option<&str>, &Value)> {
        match &*self.0 {
            Value::Array(items) => Some((None, items.get(index)?)),
            Value::Object(items) => items.iter().nth(index).map(|(key, value)| (Some(key.as_str()), value)),
            _ => None,
        }
    }
}

/// What one frame does right now, for those who look from outside.
#[derive(Clone, Copy, Debug)]
pub struct OpenFrame<'a> {
    /// The frame.
    pub id: FrameId,
    /// Which branch or iteration it is, and of what.
    pub frame: &'a Frame,
    /// The state it is in.
    pub state: &'a OpenState,
}

impl Execution {
    /// Every frame that is in a state, the top level first, then in the order of opening.
    pub fn open_states(&self) -> impl Iterator<Item = OpenFrame<'_>> {
        self.frames.iter().filter_map(|(id, frame)| match &frame.position {
            Position::Open(state) => Some(OpenFrame { id: *id, frame, state }),
            Position::Entering { .. } | Position::Ended { .. } => None,
        })
    }

    /// Every task without an outcome, with its state.
    pub fn open_tasks(&self) -> impl Iterator<Item = (&StateName, &OpenTask)> {
        self.open_states().filter_map(|open| match &open.state.waiting {
            Some(Waiting::Task(task)) => Some((&open.state.name, &**task)),
            _ => None,
        })
    }

    /// Every timer somebody waits for, with its due time (a heartbeat's is the first; heartbeats move it on outside).
    pub fn open_timers(&self) -> Vec<(TimerId, Timestamp)> {
        let mut timers = Vec::new();
        if let (super::Status::Running, Some(due_at)) = (&self.status, self.timeout_at) {
            timers.push((TimerId { event: 1, kind: TimerKind::ExecutionTimeout }, due_at));
        }
        for open in self.open_states() {
            match &open.state.waiting {
                Some(Waiting::Timer { timer, due_at } | Waiting::Retry { timer, due_at, .. }) => {
                    timers.push((*timer, *due_at));
                }
                Some(Waiting::Task(task)) => timers.extend(task.timers()),
                Some(Waiting::Children(_)) | None => {}
            }
        }
        timers
    }

    /// Whether a turn ended before everything waited: [`crate::Stimulus::Continue`] goes on.
    pub fn is_unfinished(&self) -> bool {
        self.status == super::Status::Running
            && self.frames.values().any(|frame| matches!(frame.position, Position::Entering { .. }))
    }

    /// The frame in which `task` is open.
    pub(crate) fn frame_of_task(&self, task: TaskId) -> Option<FrameId> {
        self.open_states().find_map(|open| match &open.state.waiting {
            Some(Waiting::Task(open_task)) if open_task.task == task => Some(open.id),
            _ => None,
        })
    }
}
