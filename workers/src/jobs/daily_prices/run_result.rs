//! The result object a job left at its `--result_path`, read by the functions after it.
//!
//! Step Functions shows of a Glue job run that it succeeded, not what the job says of itself; this file does, on AWS
//! and here alike.

use serde_json::Value;

use crate::job::{Code, JobError};
use crate::lake::Lake;

/// The result at `uri`, or `None` if no URI is given or nothing is there.
///
/// # Errors
/// `STORAGE_ERROR`; `UNEXPECTED_ERROR` if it is no JSON.
pub async fn read(lake: &Lake, uri: Option<&str>) -> Result<Option<Value>, JobError> {
    let Some((folder, name)) = uri.and_then(|uri| uri.rsplit_once('/')) else { return Ok(None) };
    let Some(bytes) = lake.folder_at(folder)?.get_optional(name).await? else { return Ok(None) };
    let result = serde_json::from_slice(&bytes).map_err(|error| {
        JobError::new(Code::UnexpectedError, format!("`{folder}/{name}` is no result of a job: {error}"))
    })?;
    Ok(Some(result))
}

/// The `status` of the result at `uri`.
///
/// # Errors
/// As [`read`].
pub async fn status(lake: &Lake, uri: Option<&str>) -> Result<Option<String>, JobError> {
    let result = read(lake, uri).await?;
    Ok(result.as_ref().and_then(|result| result["status"].as_str()).map(str::to_owned))
}

/// The metric `schema_changed` of the result at `uri`.
///
/// # Errors
/// As [`read`].
pub async fn schema_changed(lake: &Lake, uri: Option<&str>) -> Result<Option<bool>, JobError> {
    let result = read(lake, uri).await?;
    Ok(result.as_ref().and_then(|result| result["metrics"]["schema_changed"].as_bool()))
}
