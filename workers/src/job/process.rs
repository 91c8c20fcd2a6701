//! A job as a process: log lines on standard error, the result as the last line of standard output.

use std::io::Write;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{Arguments, JobResult, run_job};
use crate::lake::{Lake, Location};
use crate::query::end_sessions;

/// What this process has used so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Largest resident set, in bytes; 0 where the system does not tell.
    pub peak_memory_bytes: u64,
    /// User and system time of all threads.
    pub cpu_seconds: f64,
}

/// Reads the usage from the system (`VmHWM` of `/proc/self/status`, the process CPU clock).
pub fn usage() -> Usage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak_kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Usage {
        peak_memory_bytes: peak_kib.unwrap_or(0u64) * 1024,
        cpu_seconds: cpu.tv_sec as f64 + (cpu.tv_nsec as f64 / 1e9),
    }
}

/// What a job logs unless told otherwise: what it does, not how its libraries read the log of a Delta table.
pub const LOG_FILTER: &str = "info,buoyant_kernel=warn,deltalake_core=warn";

/// Each stream of a result that is kept has a thread that writes it; what is read for it must not wait for one of these.
const BLOCKING_THREADS_MAX: usize = 4_096;

/// The whole life of a job process: logging, run, result. SIGTERM and SIGINT end it at once with status 143; its lock
/// then passes to the task's next attempt, and what it was writing stays invisible. A job with a
/// [`graceful_stop`](super::stop::graceful_stop) is asked by the first signal and ended by the second.
pub fn main_job(name: &str, arguments: &[String]) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| LOG_FILTER.into());
    // Fails only if the caller has set logging up already, which is just as well.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .try_init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("Cannot start the job's threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        let code = tokio::select! {
            result = run_job(name, arguments) => deliver(&result, arguments).await,
            () = stopped() => {
                tracing::warn!(job.name = name, "Stopped job `{name}` on request");
                143
            }
        };
        // What a job has begun elsewhere ends with it.
        end_sessions().await;
        code
    });
    // Plans still running on blocking threads are not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn stopped() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => loop {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if !super::stop::ask() {
                return;
            }
            tracing::info!("Asked to stop: the job ends after the step it is in");
        },
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!("Cannot listen for signals, the default action applies: {error}");
            std::future::pending::<()>().await;
        }
    }
}

/// Writes the result to `--result_path`, if given, and to standard output; returns the exit status.
async fn deliver(result: &JobResult, arguments: &[String]) -> u8 {
    let line = serde_json::to_string(result).expect("a result has string keys only");
    let mut status = result.exit_status();
    if let Some(path) = result_path(arguments)
        && let Err(reason) = write_result(&path, &line).await
    {
        tracing::error!("Cannot write the result to `{path}`: {reason}");
        status = status.max(1);
    }
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::error!("Cannot write the result to standard output: {error}");
        status = status.max(1);
    }
    status
}

/// The argument, whatever the other arguments are worth: a refused command line has a result, too.
fn result_path(arguments: &[String]) -> Option<String> {
    let at = arguments.iter().position(|word| word == "--result_path" || word.starts_with("--result_path="))?;
    let line = &arguments[at..arguments.len().min(at + 2)];
    let line = if line[0].contains('=') { &line[..1] } else { line };
    Arguments::parse(line, &[]).ok()?.optional("result_path").map(str::to_owned)
}

async fn write_result(path: &str, line: &str) -> Result<(), String> {
    let text = format!("{line}\n");
    match Location::parse(path).map_err(|error| error.to_string())? {
        Location::File { path } => std::fs::write(path, text).map_err(|error| error.to_string()),
        Location::S3 { .. } => {
            let put = async {
                let folder = Lake::from_env()?.folder_at(path)?;
                match folder.parent() {
                    Some((parent, name)) => parent.put(&name, text).await,
                    None => folder.put("result.json", text).await,
                }
            };
            put.await.map_err(|error| error.chain())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_measured() {
        let before = usage();
        assert!(before.peak_memory_bytes > 1 << 20, "{before:?}");
        let mut x = 0u64;
        while usage().cpu_seconds - before.cpu_seconds < 0.01 {
            x = std::hint::black_box(x + 1);
        }
    }

    #[test]
    fn the_result_path_is_found_in_any_command_line() {
        for (line, expected) in [
            (&["--bogus", "--result_path", "/tmp/r"][..], Some("/tmp/r")),
            (&["--result_path=/tmp/r", "x"], Some("/tmp/r")),
            (&["--result_path"], None),
            (&["--ds", "x"], None),
        ] {
            let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(result_path(&line).as_deref(), expected, "{line:?}");
        }
    }
}
