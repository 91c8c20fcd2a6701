//! The store's clock, as this process knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use asl::Timestamp;

use crate::store::{Result, Store};

/// Tells the time by the store's clock: the local one, corrected by the difference last measured.
///
/// A simulation gives its own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>, Arc<AtomicI64>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

impl Clock {
    /// The local clock, corrected towards the store's by [`Clock::adjust`].
    pub fn local() -> Self {
        Self(Arc::new(local_now), Arc::new(AtomicI64::new(0)))
    }

    /// A clock of the caller's.
    pub fn custom(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now), Arc::new(AtomicI64::new(0)))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)().plus_millis(self.1.load(Ordering::Relaxed))
    }

    /// Measures the difference to the store's clock; half the round trip is the error.
    pub async fn adjust(&self, store: &dyn Store) -> Result<()> {
        let before = (self.0)();
        let theirs = store.now().await?;
        let after = (self.0)();
        let middle = before.millis() + (after.millis() - before.millis()) / 2;
        self.1.store(theirs.millis() - middle, Ordering::Relaxed);
        Ok(())
    }
}

fn local_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
