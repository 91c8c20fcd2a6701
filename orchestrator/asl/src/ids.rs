//! Ids are types, so that a task is never taken for a timer.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The number of an internal event in its execution: 1, 2, 3, ... without gaps; 0 is "before the first".
pub type EventId = u64;

/// The name of a state, unique in the whole machine.
pub type StateName = Arc<str>;

/// A task: the id of the event that scheduled it. A retry is a new task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub EventId);

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TimerKind {
    /// A Wait state's end.
    Wait,
    /// The pause before a retry.
    Retry,
    /// `TimeoutSeconds` of a task, counted from its start.
    TaskTimeout,
    /// `HeartbeatSeconds` of a task; moved on by every heartbeat, without an event.
    Heartbeat,
    /// `TimeoutSeconds` of the whole machine.
    ExecutionTimeout,
}

impl TimerKind {
    /// The name the store keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "WAIT",
            Self::Retry => "RETRY",
            Self::TaskTimeout => "TASK_TIMEOUT",
            Self::Heartbeat => "HEARTBEAT",
            Self::ExecutionTimeout => "EXECUTION_TIMEOUT",
        }
    }
}

impl std::str::FromStr for TimerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Wait, Self::Retry, Self::TaskTimeout, Self::Heartbeat, Self::ExecutionTimeout]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no kind of timer"))
    }
}

/// A timer: the event it belongs to (for `TaskTimeout` and `Heartbeat` the [`TaskId`]'s) and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimerId {
    /// The event that set the timer, or the task it watches.
    pub event: EventId,
    /// What the timer is for.
    pub kind: TimerKind,
}

/// The secret that lets its holder report on one task.
///
/// The text holds the execution's id, the task and 16 random bytes behind a checksum, so that a
/// mistyped token (`InvalidToken`) can be told from one whose task is over (`TaskTimedOut`) without
/// keeping finished tasks.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskToken(String);

impl TaskToken {
    /// A token of `task` in the execution with this id, unguessable if `secret` is.
    pub fn new(execution: u128, task: TaskId, secret: [u8; 16]) -> Self {
        let mut bytes = Vec::with_capacity(44);
        bytes.extend_from_slice(&execution.to_be_bytes());
        bytes.extend_from_slice(&task.0.to_be_bytes());
        bytes.extend_from_slice(&secret);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest[..4]);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The token in `text` with the execution and task it names, or `None` if no such token was ever made.
    pub fn parse(text: &str) -> Option<(Self, u128, TaskId)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, check) = bytes.split_at_checked(40)?;
        if check != &Sha256::digest(body)[..4] {
            return None;
        }
        let execution = u128::from_be_bytes(body[..16].try_into().ok()?);
        let task = u64::from_be_bytes(body[16..24].try_into().ok()?);
        Some((Self(text.to_owned()), execution, TaskId(task)))
    }

    /// The text a worker is given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tokens are secrets: logs show only that there is one.
impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskToken(…)")
    }
}
