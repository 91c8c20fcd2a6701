//! Error and cause, as the language knows them.

use serde::{Deserialize, Serialize};

/// Why something did not succeed, as data: Retry and Catch look at it.
///
/// Both parts may be absent: a worker may fail a task without saying why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's name, `States.Timeout` or a job's own; at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a person reads; at most 32,768 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The longest name of an error, in characters. Source: Step Functions API model.
const ERROR_CHARACTERS_MAX: usize = 256;
/// The longest cause, in characters. Source: Step Functions API model.
const CAUSE_CHARACTERS_MAX: usize = 32_768;

impl Failure {
    /// The failure with both parts cut to what the API can carry.
    pub fn clipped(self) -> Self {
        let clip = |text: String, most: usize| match text.char_indices().nth(most) {
            Some((end, _)) => text[..end].to_owned(),
            None => text,
        };
        Self {
            error: self.error.map(|error| clip(error, ERROR_CHARACTERS_MAX)),
            cause: self.cause.map(|cause| clip(cause, CAUSE_CHARACTERS_MAX)),
        }
    }

    /// A failure with both parts.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: Some(error.into()), cause: Some(cause.into()) }
    }

    /// A failure without a cause.
    pub fn named(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), cause: None }
    }
}
