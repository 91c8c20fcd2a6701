//! Waiting for silver: the stream may be started before the first file has come.
//!
//! Source: pipelines.md 4.4, "Entry".

use tokio_util::sync::CancellationToken;

use super::super::settings::{self, SilverWait};
use crate::job::{Code, JobContext, JobError};
use crate::lake::delta::Delta;

/// The silver table, once it is there with rows; a stream that has done batches before goes on without rows, too. `None`
/// if it was asked to stop meanwhile.
///
/// # Errors
/// `NO_SILVER_DATA` after the last look; `STORAGE_ERROR`.
pub async fn wait_for_silver(
    context: &JobContext,
    wait: SilverWait,
    has_begun: bool,
    stop: &CancellationToken,
) -> Result<Option<Delta>, JobError> {
    let folder = settings::silver(context)?;
    for look in 0..=wait.retries {
        if let Some(table) = Delta::open(&folder).await?
            && (has_begun || table.details().await?.rows > 0)
        {
            return Ok(Some(table));
        }
        if look == wait.retries {
            break;
        }
        tracing::info!("No rows in silver `{}` yet, look {} of {}", folder.uri(), look + 1, wait.retries + 1);
        tokio::select! {
            () = tokio::time::sleep(wait.pause) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
    let waited = wait.pause.as_secs_f64() * f64::from(wait.retries);
    let message = format!("no rows in silver `{}` after {waited} s; run enrichment-silver", folder.uri());
    Err(JobError::new(Code::NoSilverData, message))
}
