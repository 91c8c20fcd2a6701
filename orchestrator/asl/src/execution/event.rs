//! What happened: complete enough that replay needs nothing else but the definition.
//!
//! Every variant says what [`crate::apply`] needs to change the execution and what [`crate::history`] needs to show the
//! event, so that neither has to look at anything but the one event. Names of public events are the history's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, FrameId, Identity, MapItems};
use crate::definition::{Resource, ScopeId};
use crate::ids::{EventId, StateName, TaskId, TaskToken};
use crate::query::VariableMap;
use crate::time::Timestamp;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1, 2, 3, ... without gaps.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// The frame it happened in.
    pub frame: FrameId,
    /// Its place in the public history; `None` for what AWS does not show (a retry being due, say).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<PublicId>,
    /// What.
    pub kind: EventKind,
}

/// Id and causal parent as the public history shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicId {
    /// `id`.
    pub id: EventId,
    /// `previousEventId`.
    pub previous: EventId,
}

/// The `Type` of a state, part of the names of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateType {
    /// `Pass`.
    Pass,
    /// `Task`.
    Task,
    /// `Choice`.
    Choice,
    /// `Wait`.
    Wait,
    /// `Succeed`.
    Succeed,
    /// `Fail`.
    Fail,
    /// `Parallel`.
    Parallel,
    /// `Map`.
    Map,
}

impl StateType {
    /// The name the definition uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Task => "Task",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }
}

/// What happened. One variant for each thing that changes an execution.
///
/// Variants marked *internal* have no place in the public history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// The execution began.
    ExecutionStarted {
        /// Who it is.
        identity: Arc<Identity>,
        /// Its input.
        input: Arc<Value>,
        /// When `TimeoutSeconds` of the machine is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_at: Option<Timestamp>,
    },
    /// A state was entered.
    StateEntered {
        /// Which.
        name: StateName,
        /// Its type.
        state: StateType,
        /// Its raw input.
        input: Arc<Value>,
    },
    /// A state was left.
    StateExited {
        /// Which.
        name: StateName,
        /// Its type.
        state: StateType,
        /// Its output.
        output: Arc<Value>,
        /// The variables that its `Assign` set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assigned: Option<Arc<VariableMap>>,
        /// The state after it; `None` ends the frame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<StateName>,
    },
    /// An open state was given up because a sibling failed.
    StateAborted {
        /// Which.
        name: StateName,
        /// Its type.
        state: StateType,
    },
    /// *Internal.* A Wait state waits; the [`crate::TimerId`] is this event's.
    WaitStarted {
        /// Until when.
        due_at: Timestamp,
    },
    /// *Internal.* The state failed and will be tried again; the [`crate::TimerId`] is this event's.
    RetryScheduled {
        /// Index of the retrier in `Retry`.
        retrier: usize,
        /// When, with jitter.
        due_at: Timestamp,
        /// The failing public event, to which the next attempt points back.
        chain: EventId,
    },
    /// A task was scheduled; the [`TaskId`] is this event's id.
    TaskScheduled {
        /// 1 for the first attempt of this visit of the state.
        attempt: u64,
        /// What is called.
        resource: Arc<Resource>,
        /// The effective input.
        input: Arc<Value>,
        /// The region shown.
        region: Arc<str>,
        /// The token, for the patterns whose arguments may carry it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TaskToken>,
        /// `TimeoutSeconds`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_seconds: Option<u64>,
        /// `HeartbeatSeconds`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heartbeat_seconds: Option<u64>,
        /// `Credentials`, evaluated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials: Option<Arc<Value>>,
    },
    /// Somebody took the task; `TimeoutSeconds` and `HeartbeatSeconds` count from here.
    TaskStarted {
        /// The task.
        task: TaskId,
        /// What is called.
        resource: Arc<Resource>,
        /// The name the worker gave.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
    },
    /// What the task waits for was submitted.
    TaskSubmitted {
        /// The task.
        task: TaskId,
        /// What is called.
        resource: Arc<Resource>,
        /// The answer of the service.
        output: Arc<Value>,
    },
    /// The task is done.
    TaskSucceeded {
        /// The task.
        task: TaskId,
        /// What is called.
        resource: Arc<Resource>,
        /// Its raw result.
        output: Arc<Value>,
    },
    /// The task failed.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// What is called.
        resource: Arc<Resource>,
        /// Why.
        failure: Failure,
    },
    /// The task ran past its `TimeoutSeconds` or missed its heartbeat.
    TaskTimedOut {
        /// The task.
        task: TaskId,
        /// What is called.
        resource: Arc<Resource>,
        /// Why.
        failure: Failure,
    },
    /// An expression of a JSONata state has no value.
    EvaluationFailed {
        /// The state.
        name: StateName,
        /// Why.
        failure: Failure,
        /// The field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
    /// A Parallel state opens its branches.
    ParallelStarted {
        /// How many.
        branches: u64,
        /// What each of them gets.
        input: Arc<Value>,
    },
    /// *Internal.* A branch opened; its [`FrameId`] is this event's id.
    BranchStarted {
        /// Its `States`.
        scope: ScopeId,
        /// Its index.
        index: u64,
    },
    /// *Internal.* A branch (this event's frame) came to its end.
    BranchSucceeded,
    /// All branches succeeded.
    ParallelSucceeded,
    /// A branch failed.
    ParallelFailed,
    /// A Map state begins with its items.
    MapStarted {
        /// How many items the history shows.
        length: u64,
        /// The items.
        items: MapItems,
        /// The effective input, on which `ItemSelector` is evaluated.
        input: Arc<Value>,
        /// How many iterations may run at once.
        concurrency: u64,
    },
    /// An iteration opened; its [`FrameId`] is this event's id. Not shown when the Map is distributed.
    MapIterationStarted {
        /// The Map state.
        name: StateName,
        /// The `States` it runs.
        scope: ScopeId,
        /// Its index.
        index: u64,
        /// Its input.
        input: Arc<Value>,
    },
    /// An iteration (this event's frame) came to its end.
    MapIterationSucceeded {
        /// The Map state.
        name: StateName,
        /// Its index.
        index: u64,
    },
    /// An iteration failed.
    MapIterationFailed {
        /// The Map state.
        name: StateName,
        /// Its index.
        index: u64,
        /// Why, kept for a distributed Map that tolerates it.
        failure: Failure,
    },
    /// An iteration was given up because another failed.
    MapIterationAborted {
        /// The Map state.
        name: StateName,
        /// Its index.
        index: u64,
    },
    /// All iterations succeeded.
    MapSucceeded,
    /// An iteration failed.
    MapFailed,
    /// The map run of a distributed Map began.
    MapRunStarted {
        /// Its ARN.
        arn: String,
        /// `ToleratedFailureCount`.
        tolerated_failure_count: u64,
        /// `ToleratedFailurePercentage`.
        tolerated_failure_percentage: f64,
    },
    /// The map run ended well.
    MapRunSucceeded,
    /// The map run failed.
    MapRunFailed {
        /// Why.
        failure: Failure,
    },
    /// The execution ended well.
    ExecutionSucceeded {
        /// Its output.
        output: Arc<Value>,
    },
    /// The execution ended by an error.
    ExecutionFailed {
        /// Why.
        failure: Failure,
    },
    /// The execution ran past `TimeoutSeconds` of the machine.
    ExecutionTimedOut {
        /// Why.
        failure: Failure,
    },
    /// The execution was stopped.
    ExecutionAborted {
        /// What the caller gave as reason.
        failure: Failure,
    },
}
