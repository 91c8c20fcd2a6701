//! Waiting for a store that is away, for a while.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;

/// Waits longer and longer while the store is away, then gives the fault to the caller.
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(patience: Duration) -> Self {
        Self { deadline: Instant::now() + patience, pause: Duration::from_millis(20) }
    }

    /// Pauses, or returns `error` when the time is up.
    pub(super) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        if Instant::now() + self.pause > self.deadline {
            return Err(error);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Ok(())
    }
}
