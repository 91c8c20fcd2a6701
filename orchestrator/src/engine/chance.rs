//! Where the engine's randomness comes from: the system's generator, or a seed, so that a simulation can be repeated.

use std::sync::Arc;

use asl::Timestamp;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use uuid::Uuid;

/// Makes the secrets of task tokens, the ids of executions and the seeds of turns.
#[derive(Clone)]
pub struct Chance(Option<Arc<Mutex<StdRng>>>);

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Chance(seeded)" } else { "Chance(system)" })
    }
}

impl Chance {
    /// Unguessable: what every server uses.
    pub const fn system() -> Self {
        Self(None)
    }

    /// The same numbers for the same seed. For simulations only: its task tokens can be guessed.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    pub(super) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            Some(seeded) => seeded.lock().fill_bytes(&mut bytes),
            None => rand::rng().fill_bytes(&mut bytes),
        }
        bytes
    }

    /// The key of a new execution: a version 7 UUID, so that keys ascend with time and stay together in the database.
    pub(super) fn execution_id(&self, now: Timestamp) -> Uuid {
        if self.0.is_none() {
            return Uuid::now_v7();
        }
        uuid::Builder::from_unix_timestamp_millis(now.millis().unsigned_abs(), &self.bytes()).into_uuid()
    }
}
