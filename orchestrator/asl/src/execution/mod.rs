//! What an execution is, what arrives, what happened and what is to be handed out: values only.

mod event;
mod failure;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::definition::Resource;
use crate::definition::ScopeId;
use crate::ids::{EventId, StateName, TaskId, TaskToken, TimerId};
use crate::query::VariableMap;
use crate::time::Timestamp;

pub use event::{Event, EventKind, PublicId, StateType};
pub use failure::Failure;
pub use waiting::{Children, MapItems, MapRun, OpenFrame, OpenState, OpenTask, Position, Waiting};

/// Where an execution stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// Not ended.
    Running,
    /// Ended well.
    Succeeded {
        /// The output of the last state.
        output: Arc<Value>,
    },
    /// Ended by an error nobody caught.
    Failed(Failure),
    /// Ran past `TimeoutSeconds` of the machine.
    TimedOut(Failure),
    /// Stopped from outside.
    Aborted(Failure),
}

/// The identity of an execution: what the context object shows and the history starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The key the store and task tokens use. Written as 32 hexadecimal digits: JSON databases have no such numbers.
    #[serde(with = "hexadecimal")]
    pub id: u128,
    /// The execution's ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The role of the state machine when it started.
    pub role_arn: String,
    /// The state machine's ARN.
    pub state_machine_arn: String,
    /// The state machine's name.
    pub state_machine_name: String,
    /// Set when it was started through a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_machine_version_arn: Option<String>,
    /// Set when it was started through an alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_machine_alias_arn: Option<String>,
}

/// The time and the randomness of one turn, and the limits it must keep.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Now, by the store's clock as well as the node knows it.
    pub now: Timestamp,
    /// Seeds the turn's random numbers; fresh for every turn, unguessable.
    pub seed: [u8; 32],
    /// The limits in force.
    pub limits: Limits,
    /// The region shown in `TaskScheduled`.
    pub region: Arc<str>,
}

/// AWS's quotas by default. Source: Step Functions service quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Input, output and any state's data, in bytes of UTF-8.
    pub payload_bytes_max: usize,
    /// Public history events of one execution.
    pub history_events_max: u64,
    /// Public events one turn may add before it yields to others with [`Command::Continue`].
    pub turn_events_max: u64,
    /// Iterations of an inline Map at once.
    pub map_concurrency_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload_bytes_max: 262_144, history_events_max: 25_000, turn_events_max: 1_000, map_concurrency_max: 40 }
    }
}

/// What arrives for an execution.
///
/// Stimuli may come late, twice or out of order: one that does not fit is a decision without events.
#[derive(Clone, Debug)]
pub enum Stimulus {
    /// The first of every execution.
    Start {
        /// Who it is.
        identity: Box<Identity>,
        /// Its input.
        input: Arc<Value>,
    },
    /// A worker or an integration took the task.
    TaskStarted {
        /// The task.
        task: TaskId,
        /// The name the worker gave, if any.
        worker: Option<String>,
    },
    /// What the task waits for has been submitted (`.sync`, `.waitForTaskToken`).
    TaskSubmitted {
        /// The task.
        task: TaskId,
        /// The answer of the service.
        output: Arc<Value>,
    },
    /// The task is done.
    TaskSucceeded {
        /// The task.
        task: TaskId,
        /// Its raw result.
        output: Arc<Value>,
    },
    /// The task failed.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// Why.
        failure: Failure,
    },
    /// A timer is due.
    TimerFired {
        /// The timer.
        timer: TimerId,
    },
    /// `StopExecution`.
    Stop {
        /// What the caller gave as reason.
        failure: Failure,
    },
    /// A turn ended at `turn_events_max`; go on.
    Continue,
}

/// What one stimulus leads to. Empty when the stimulus came too late or twice.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What happened, in order, already applied to [`Decision::execution`].
    pub events: Vec<Event>,
    /// What is to be handed out once the events are committed.
    pub commands: Vec<Command>,
    /// The execution after the events; `None` if there are none.
    pub execution: Option<Execution>,
}

/// Something for the outside, valid once the events that led to it are committed.
#[derive(Clone, Debug)]
pub enum Command {
    /// Hand this out.
    ScheduleTask(Box<ScheduleTask>),
    /// Nobody waits for this task any more.
    CancelTask {
        /// The task.
        task: TaskId,
    },
    /// Send [`Stimulus::TimerFired`] at this time.
    SetTimer {
        /// The timer.
        timer: TimerId,
        /// When.
        due_at: Timestamp,
    },
    /// Nobody waits for this timer any more.
    CancelTimer {
        /// The timer.
        timer: TimerId,
    },
    /// Send [`Stimulus::Continue`].
    Continue,
}

/// A task to be handed out.
#[derive(Clone, Debug)]
pub struct ScheduleTask {
    /// The task.
    pub task: TaskId,
    /// The state it belongs to.
    pub state: StateName,
    /// 1 for the first attempt of this visit of the state.
    pub attempt: u64,
    /// What is called.
    pub resource: Resource,
    /// The effective input.
    pub input: Arc<Value>,
    /// The token, for the patterns whose arguments may carry it; an activity's is made when it is handed out.
    pub token: Option<TaskToken>,
    /// The public id of the `…Scheduled` event.
    pub public_id: EventId,
    /// `TimeoutSeconds`, from the start of the task.
    pub timeout_seconds: Option<u64>,
    /// `HeartbeatSeconds`.
    pub heartbeat_seconds: Option<u64>,
}

/// An execution: everything that deciding needs. Changed by [`crate::apply`] alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Execution {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// Its input.
    pub input: Arc<Value>,
    /// When it started.
    pub started_at: Timestamp,
    /// Where it stands.
    pub status: Status,
    /// When `TimeoutSeconds` of the machine is over.
    #[serde(default)]
    pub timeout_at: Option<Timestamp>,
    /// The last internal event; the guard of every commit.
    pub last_event_id: EventId,
    /// The last public event.
    pub last_public_id: EventId,
    /// What runs: the top level (frame 0), and every open Parallel branch and Map iteration.
    pub frames: BTreeMap<FrameId, Frame>,
}

/// A frame: 0 is the top level, others are the id of the event that opened them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameId(pub EventId);

impl FrameId {
    /// The top level of every execution.
    pub const TOP: Self = Self(0);
}

/// One `States` map in progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Which `States` map.
    pub scope: ScopeId,
    /// The frame of the Parallel or Map state around it.
    pub parent: Option<FrameId>,
    /// Which branch or iteration.
    pub index: u64,
    /// The frame's own variables.
    pub variables: Arc<VariableMap>,
    /// The public id the next event of this frame points back to.
    pub chain: EventId,
    /// Where it stands.
    pub position: Position,
    /// States entered so far: what bounds a frame whose events the history does not count.
    pub states_entered: u64,
    /// Whether it belongs to a distributed Map: its events are not shown and it does not see outer variables.
    pub hidden: bool,
}

/// An execution that cannot be what its events say: a broken journal, never a user's mistake.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The journal contradicts itself or the definition.
    #[error("event {event} of `{execution}` cannot be applied: {reason}")]
    Corrupt {
        /// The execution's ARN.
        execution: String,
        /// The event.
        event: EventId,
        /// What does not fit.
        reason: String,
    },
}

mod hexadecimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{id:032x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(de::Error::custom)
    }
}
