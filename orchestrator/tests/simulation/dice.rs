//! Chance that can be repeated: every actor rolls its own dice, made from the seed and the actor's name.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// One actor's dice.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// The same for the same seed and name.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: stable over platforms and versions, which the hashers of std are not promised to be.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash))
    }

    /// `true` with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.random_bool(probability)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end)
    }

    /// A pause of up to so many milliseconds.
    pub fn pause(&mut self, millis_max: u64) -> Duration {
        Duration::from_millis(self.below(millis_max + 1))
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.0.random_range(0..among.len())]
    }
}
