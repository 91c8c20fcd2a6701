//! The randomness of one turn: seeded from outside, so that a replayed test sees the same numbers.

use std::cell::RefCell;

use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Random numbers of one turn; the same seed gives the same numbers.
#[derive(Debug)]
pub struct Random(RefCell<ChaCha8Rng>);

impl Random {
    /// Numbers that follow from `seed` alone.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(RefCell::new(ChaCha8Rng::from_seed(seed)))
    }

    /// Numbers that follow from a caller's number alone: what a seeded `States.MathRandom` or `$random` draws from.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(RefCell::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// 16 random bytes.
    pub fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.borrow_mut().fill_bytes(&mut bytes);
        bytes
    }

    /// A uniform number in `[0, 1)`.
    pub fn fraction(&self) -> f64 {
        self.0.borrow_mut().random()
    }

    /// A UUID of version 4 in its usual form.
    pub(crate) fn uuid(&self) -> String {
        let mut bytes = self.bytes16();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let text = hex::encode(bytes);
        [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers() {
        let (a, b) = (Random::new([7; 32]), Random::new([7; 32]));
        assert_eq!(a.bytes16(), b.bytes16());
        assert_eq!(a.fraction(), b.fraction());
        assert_eq!(a.uuid(), b.uuid());
        assert_ne!(a.uuid(), a.uuid());
    }

    #[test]
    fn uuid_says_version_4() {
        let uuid = Random::new([1; 32]).uuid();
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }

    #[test]
    fn fractions_stay_below_one() {
        let random = Random::seeded(3);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.fraction())));
    }
}
