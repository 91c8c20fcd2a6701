//! What happened: complete enough that replay needs nothing else but the definition.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, FrameId};
use crate::ids::{EventId, StateName};
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

/// What happened. One variant for each thing that changes an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// The execution began.
    ExecutionStarted {
        /// Its input.
        input: Arc<Value>,
    },
    /// A state was entered.
    StateEntered {
        /// Which.
        name: StateName,
        /// Its raw input.
        input: Arc<Value>,
    },
    /// The execution ended by an error.
    ExecutionFailed {
        /// Why.
        failure: Failure,
    },
}
