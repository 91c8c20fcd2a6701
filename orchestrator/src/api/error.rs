//! Errors as the wire spells them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::engine::{self, ReportError, StartError};
use crate::store;

/// An error of the Step Functions API: the exception's name, the message, and members beyond those.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    code: &'static str,
    message: String,
    members: Box<Map<String, Value>>,
    #[source]
    source: Option<Box<engine::Error>>,
}

impl ApiError {
    /// An exception of this name with this message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), members: Box::default(), source: None }
    }

    /// The exception's name.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether it is ours and not the caller's.
    pub fn is_fault(&self) -> bool {
        self.status().is_server_error()
    }

    fn status(&self) -> StatusCode {
        match self.code {
            "InternalFailure" => StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// With one more member in the body.
    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The request breaks the service's model.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The body is no JSON, or a member has the wrong type.
    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// There is no such operation, or not yet.
    pub(super) fn unknown_operation(operation: &str) -> Self {
        let message = if operation.is_empty() {
            format!("The header X-Amz-Target must be `{}<Operation>`", protocol::TARGET_PREFIX)
        } else {
            format!("The operation `{operation}` is not supported by this server")
        };
        Self::new("UnknownOperationException", message)
    }

    /// A bug or a broken database.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new("InternalFailure", message)
    }

    /// Two requests at once, and this one lost.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new("ConflictException", message)
    }

    /// `Invalid Arn: '…'`.
    pub(super) fn invalid_arn(detail: impl std::fmt::Display) -> Self {
        Self::new("InvalidArn", format!("Invalid Arn: '{detail}'"))
    }

    pub(super) fn invalid_name(name: &str) -> Self {
        Self::new("InvalidName", format!("Invalid Name: '{name}'"))
    }

    pub(super) fn no_state_machine(arn: &str) -> Self {
        Self::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
    }

    pub(super) fn no_execution(arn: &str) -> Self {
        Self::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
    }

    pub(super) fn no_activity(arn: &str) -> Self {
        Self::new("ActivityDoesNotExist", format!("Activity Does Not Exist: '{arn}'"))
    }

    pub(super) fn not_for_this_type() -> Self {
        Self::new("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut body = *self.members;
        body.insert("__type".to_owned(), json!(self.code));
        body.insert("message".to_owned(), json!(self.message));
        (status, Value::Object(body).to_string()).into_response()
    }
}

impl From<engine::Error> for ApiError {
    fn from(error: engine::Error) -> Self {
        // Callers retry on these; what exactly is wrong is for the log.
        let (code, message) = match &error {
            engine::Error::ShuttingDown => {
                ("ServiceUnavailable", "The server is shutting down; ask another node or try again")
            }
            engine::Error::Store(_) | engine::Error::Contended(..) => {
                ("ServiceUnavailable", "The database does not answer in time; try again")
            }
            engine::Error::Corrupt(_) | engine::Error::Revision(_) => {
                ("InternalFailure", "The stored execution or definition cannot be read; see the server's log")
            }
        };
        Self { source: Some(Box::new(error)), ..Self::new(code, message) }
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::BadToken(_) => Self::new("InvalidToken", "Invalid Token: 'Invalid token'"),
            other => engine::Error::Store(other).into(),
        }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::AlreadyExists(record) => {
                Self::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{}'", record.arn))
            }
            StartError::MachineGone => Self::new("StateMachineDoesNotExist", "State Machine Does Not Exist"),
            StartError::MachineDeleting => Self::new("StateMachineDeleting", "State Machine is being deleted"),
            StartError::PartitionBusy(row) => Self::new(
                "ConflictException",
                format!("Partition `{}` of `{}` is being made by {}", row.partition, row.pipeline, row.execution_arn),
            ),
            StartError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::InvalidToken => Self::new("InvalidToken", "Invalid Token: 'Invalid token'"),
            ReportError::TaskTimedOut => {
                Self::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
            }
            ReportError::Fault(fault) => fault.into(),
        }
    }
}
