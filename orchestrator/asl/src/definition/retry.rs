//! How long a retrier pauses.

use super::Retrier;

impl Retrier {
    /// The pause before retry number `retry` (1 for the first), in seconds.
    ///
    /// `IntervalSeconds × BackoffRate^(retry − 1)`, never above `MaxDelaySeconds`; jitter is the caller's.
    /// Finite for every `retry`: a power beyond what a number can hold gives [`DELAY_MAX_SECONDS`].
    ///
    /// # Panics
    /// If `retry` is 0: the first attempt is not a retry.
    ///
    /// Source: Amazon States Language, "Retrying after error".
    pub fn delay(&self, retry: u32) -> f64 {
        assert!(retry > 0, "the first attempt is not a retry");
        let delay = self.interval_seconds as f64 * self.backoff_rate.powf(f64::from(retry - 1));
        let limit = self.delay_max_seconds.map_or(DELAY_MAX_SECONDS, |seconds| seconds as f64);
        delay.min(limit)
    }

    /// Whether an error of this name is one of `ErrorEquals` by its very name, wild cards aside.
    pub fn names(&self, error: &str) -> bool {
        self.error_equals.iter().any(|name| name == error)
    }
}

/// The longest pause without `MaxDelaySeconds`: an execution lives a year at most, 31,622,400 seconds being a leap one.
pub const DELAY_MAX_SECONDS: f64 = 31_622_400.0;

#[cfg(test)]
mod tests {
    use crate::definition::{Jitter, Retrier};

    fn retrier(backoff_rate: f64, delay_max_seconds: Option<u64>) -> Retrier {
        Retrier {
            error_equals: vec!["States.ALL".to_owned()],
            interval_seconds: 3,
            attempts_max: 3,
            backoff_rate,
            delay_max_seconds,
            jitter: Jitter::None,
        }
    }

    #[test]
    fn delay_grows_up_to_max_delay_seconds() {
        let capped = retrier(2.0, Some(10));
        for (retry, seconds) in [(1, 3.0), (2, 6.0), (3, 10.0), (4, 10.0)] {
            assert_eq!(capped.delay(retry), seconds, "retry {retry}");
        }
        assert_eq!(retrier(1.5, None).delay(3), 6.75);
        assert_eq!(retrier(1.0, None).delay(u32::MAX), 3.0);
        assert_eq!(retrier(2.0, None).delay(u32::MAX), super::DELAY_MAX_SECONDS);
    }

    #[test]
    #[should_panic(expected = "not a retry")]
    fn the_first_attempt_has_no_delay() {
        retrier(2.0, None).delay(0);
    }
}
