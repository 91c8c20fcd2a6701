//! Request and response types of the Step Functions API, as AWS JSON 1.0 spells them.
//!
//! No logic and no defaults that are not the wire's: absent members are left out, instants are epoch seconds with a
//! fraction. Source: the public service model, apiVersion 2016-11-23.

mod activity;
mod execution;
mod state_machine;

pub use activity::*;
pub use execution::*;
pub use state_machine::*;

use serde::{Deserialize, Serialize};

/// The content type of every request and answer.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// What stands before the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "AWSStepFunctions.";

/// An instant on the wire: seconds since the epoch, with milliseconds as fraction.
pub type EpochSeconds = f64;

/// An answer without members: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Empty {}

/// A tag of a state machine or activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// At most 256 characters.
    pub value: String,
}

/// Says whether input or output is part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDetails {
    /// Whether it is.
    pub included: bool,
}
