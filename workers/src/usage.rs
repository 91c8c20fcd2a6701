//! What a child process uses, read from `/proc`: sampled while it runs, since the figures go when it does.
//!
//! Only Linux tells; elsewhere there are no figures and no memory limit.

use std::path::PathBuf;

/// Highest resident memory and processor time seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Highest resident memory of the process, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// User and system time, seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory at the last sample, bytes.
    pub memory_bytes: Option<u64>,
}

/// Jiffies per second as `/proc` shows them: `USER_HZ`, 100 on every Linux architecture Rust runs on (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

impl Usage {
    /// Looks again; figures that are gone keep their last value.
    pub fn sample(&mut self, pid: u32) {
        let process = PathBuf::from(format!("/proc/{pid}"));
        if let Ok(status) = std::fs::read_to_string(process.join("status")) {
            self.peak_memory_bytes = kibibytes(&status, "VmHWM:").or(self.peak_memory_bytes);
            self.memory_bytes = kibibytes(&status, "VmRSS:").or(self.memory_bytes);
        }
        if let Ok(stat) = std::fs::read_to_string(process.join("stat")) {
            self.cpu_seconds = cpu_seconds(&stat).or(self.cpu_seconds);
        }
    }
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Fields 14 and 15, counted behind the program's name, which may itself hold blanks and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_behind_any_program_name() {
        let stat = "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 100 1 2";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kibibytes(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something() {
        let mut usage = Usage::default();
        usage.sample(std::process::id());
        assert!(usage.peak_memory_bytes.unwrap() > 1 << 20);
        assert!(usage.memory_bytes.unwrap() <= usage.peak_memory_bytes.unwrap());
        let before = usage;
        usage.sample(u32::MAX);
        assert_eq!(usage, before, "a process that is gone changes nothing");
    }
}
