//! Crash points: a test stops the world before the n-th write and looks what a reader sees then.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;

/// Counts write steps and, when told to, crashes before one of them.
#[derive(Debug, Default)]
pub struct CrashPoint {
    writes: AtomicU64,
    /// 1 for the first write; 0 means never.
    at: u64,
    abort: bool,
}

impl CrashPoint {
    /// From write `at` (1 for the first) on, every write fails with [`Error::Crashed`], as if the process were gone.
    pub fn fail_at(at: u64) -> CrashPoint {
        CrashPoint { at, ..CrashPoint::default() }
    }

    /// The process aborts before write `STEPWELL_CRASH_AT_WRITE`, if that is set.
    pub(super) fn from_env() -> Result<CrashPoint, Error> {
        let Ok(text) = std::env::var("STEPWELL_CRASH_AT_WRITE") else { return Ok(CrashPoint::default()) };
        let at = text.parse().map_err(|_| Error::Configuration {
            name: "STEPWELL_CRASH_AT_WRITE".to_owned(),
            reason: format!("`{text}` is not a number; give the write to crash at, 1 for the first"),
        })?;
        Ok(CrashPoint { at, abort: true, ..CrashPoint::default() })
    }

    pub(super) fn write_count(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Called before each write.
    pub(super) fn step(&self, step: impl FnOnce() -> String) -> Result<(), Error> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.at == 0 || number < self.at {
            return Ok(());
        }
        if self.abort {
            std::process::abort();
        }
        Err(Error::Crashed { number, step: step() })
    }
}
