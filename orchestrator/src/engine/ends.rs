//! Waiting for executions to end, for work that an end may have left.

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Engine;
use crate::store::Hint;

/// The shortest time between two looks, however many executions end meanwhile: under load one look serves them all.
const PAUSE: Duration = Duration::from_millis(100);

/// The ends of executions, on this node and, as far as hints come, on others.
pub(crate) struct Ends {
    changes: broadcast::Receiver<Hint>,
}

impl Engine {
    /// Ends from now on.
    pub(crate) fn ends(&self) -> Ends {
        Ends { changes: self.changes() }
    }
}

impl Ends {
    /// Returns soon after an execution ended or, if none does, after `look`: hints can be lost, and other nodes leave work
    /// without one.
    pub(crate) async fn next(&mut self, look: Duration) {
        let look = tokio::time::sleep(look);
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = &mut look => break,
                hint = self.changes.recv() => match hint {
                    // Of the hints that were missed one may count.
                    Ok(Hint::Execution { ended: true, .. }) | Err(RecvError::Lagged(_)) => break,
                    Ok(_) => {}
                    Err(RecvError::Closed) => {
                        look.as_mut().await;
                        break;
                    }
                },
            }
        }
        tokio::time::sleep(PAUSE).await;
        // What ended until now is found by the look that follows.
        self.changes = self.changes.resubscribe();
    }
}
