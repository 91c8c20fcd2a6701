//! How many heaps a job's threads share.
//!
//! glibc gives threads heaps of their own, up to eight for each core, and returns little of what was freed in them: a job that
//! goes through one file after the other ends with many heaps as large as its largest file needed. Where memory is little, fewer
//! heaps cost less than that; where it is not, they would only make threads wait for each other.

use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable that glibc reads when a process begins.
const VARIABLE: &str = "MALLOC_ARENA_MAX";
/// What a heap keeps, about.
const HEAP_BYTES: usize = 64 << 20;
/// As many as glibc allows for each core are not worth a new beginning.
const HEAPS_PER_CORE: usize = 8;

/// Begins this process anew with as many heaps as its memory is for, if nobody has said how many. It goes on as it is if that
/// does not work.
pub(crate) fn bound() {
    if !cfg!(target_env = "gnu") || std::env::var_os(VARIABLE).is_some() {
        return;
    }
    // What is wrong with the allowance is said by the job.
    let (Ok(program), Ok(allowed_bytes)) = (std::env::current_exe(), crate::query::memory_bytes()) else { return };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let count = count(cores, allowed_bytes);
    if count < HEAPS_PER_CORE * cores {
        let error = Command::new(program).args(std::env::args_os().skip(1)).env(VARIABLE, count.to_string()).exec();
        tracing::warn!("Cannot bound the heaps of this job by {VARIABLE}: {error}");
    }
}

/// One for each core at least.
fn count(cores: usize, allowed_bytes: usize) -> usize {
    cores.max(allowed_bytes / HEAP_BYTES)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn little_memory_means_few_heaps() {
        for (cores, allowed_mib, heaps) in [(2, 64, 2), (2, 256, 4), (2, 1024, 16), (64, 1024, 64), (1, 0, 1)] {
            assert_eq!(count(cores, allowed_mib << 20), heaps, "{cores} cores, {allowed_mib} MiB");
        }
    }
}
