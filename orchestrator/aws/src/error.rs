//! Why a call failed, as a state machine and a person need it.

use std::error::Error as _;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The service understood and said no.
    #[error("{service} refused `{call}`: {code}: {message}")]
    Refused {
        /// `SNS`, `CloudWatch`.
        service: &'static str,
        /// The API's name of the call.
        call: &'static str,
        /// The service's exception name, `NotFound`.
        code: String,
        /// Its message.
        message: String,
        /// The HTTP status.
        status: u16,
    },
    /// There was no answer, or no credentials to ask with.
    #[error("{service} cannot be reached for `{call}`: {reason}")]
    Unreachable {
        /// `SNS`, `CloudWatch`.
        service: &'static str,
        /// The API's name of the call.
        call: &'static str,
        /// What was in the way.
        reason: String,
    },
}

impl Error {
    pub(crate) fn of<E>(service: &'static str, call: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if let SdkError::ServiceError(answer) = &error {
            let said = answer.err();
            return Self::Refused {
                service,
                call,
                code: said.code().unwrap_or("Unknown").to_owned(),
                message: said.message().unwrap_or("no message").to_owned(),
                status: answer.raw().status().as_u16(),
            };
        }
        // The SDK's own words ("dispatch failure") say little: the cause at the bottom is what helps.
        let mut reason = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            reason = source.to_string();
            next = source.source();
        }
        Self::Unreachable { service, call, reason }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => *status >= 500 || code.contains("Throttl"),
            Self::Unreachable { .. } => true,
        }
    }
}
