//! What workers and callbacks report: success, failure, heartbeat.

use asl::Failure;
use protocol::{Empty, SendTaskFailureInput, SendTaskHeartbeatInput, SendTaskSuccessInput};

use super::Api;
use super::check::Check;
use super::error::ApiError;

/// Source: the model of `TaskToken`.
const TOKEN_CHARS_MAX: usize = 2048;

pub(super) async fn success(api: &Api, input: SendTaskSuccessInput) -> Result<Empty, ApiError> {
    let mut check = Check::new();
    let token = check.required("taskToken", &input.task_token, 1, TOKEN_CHARS_MAX);
    let output = check.required("output", &input.output, 0, api.engine.config().limits.payload_bytes_max);
    check.done()?;
    let output = serde_json::from_str(&output)
        .map_err(|error| ApiError::new("InvalidOutput", format!("Invalid Output: '{error}'")))?;
    api.engine.succeed(&token, output).await?;
    Ok(Empty {})
}

pub(super) async fn failure(api: &Api, input: SendTaskFailureInput) -> Result<Empty, ApiError> {
    let mut check = Check::new();
    let token = check.required("taskToken", &input.task_token, 1, TOKEN_CHARS_MAX);
    check.optional("error", &input.error, 0, 256);
    check.optional("cause", &input.cause, 0, 32_768);
    check.done()?;
    api.engine.fail(&token, Failure { error: input.error, cause: input.cause }).await?;
    Ok(Empty {})
}

pub(super) async fn heartbeat(api: &Api, input: SendTaskHeartbeatInput) -> Result<Empty, ApiError> {
    let mut check = Check::new();
    let token = check.required("taskToken", &input.task_token, 1, TOKEN_CHARS_MAX);
    check.done()?;
    api.engine.heartbeat(&token).await?;
    Ok(Empty {})
}
