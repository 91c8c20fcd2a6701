//! One attempt of a job as a process of its own: started, listened to, watched, ended.
//!
//! The child leads a process group, so that whatever it starts ends with it. Its standard input is a pipe that carries
//! nothing and closes when this process ends, however it ends: [`end_with_worker`] makes the child notice and follow, so
//! a worker that is killed with `kill -9` leaves no job behind. That needs no signal handler and no `unsafe`.

use std::io::Read;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgrp, getpid};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::logs::JobLog;
use crate::usage::Usage;

/// Set for children whose standard input is their lifeline.
pub const LIFELINE_VARIABLE: &str = "STEPWELL_LIFELINE";

/// A job's temporary files are in a folder of this name, which goes with it.
const TEMPORARY_PREFIX: &str = "stepwell-job-";

/// How often memory and processor time are looked at: the reaction time of the memory limit.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);
/// How long output may still come after the process group is gone.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);
/// The longest line kept whole; a result object is far smaller, and more is not text.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The process to start.
pub(crate) struct Command {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Added to the worker's own environment.
    pub environment: Vec<(String, String)>,
    /// Resident bytes the process may hold.
    pub memory_bytes_max: Option<u64>,
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
}

/// Who may end a running job early.
pub(crate) struct Stops {
    /// The task was stopped, timed out, or given to another worker.
    pub gone: CancellationToken,
    /// The worker's drain time is over.
    pub stop: CancellationToken,
    /// The worker was told to end at once.
    pub now: CancellationToken,
}

/// Why a job was ended before it ended itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nobody waits for its result any more.
    TaskGone,
    /// The worker stops.
    WorkerStops,
    /// It held more memory than allowed.
    MemoryLimit {
        /// Resident bytes when it was noticed.
        held_bytes: u64,
    },
}

/// How an attempt ended.
pub(crate) struct Ended {
    pub exit: ExitStatus,
    /// The last line of standard output, when it is a result object.
    pub result: Option<Value>,
    pub stopped: Option<Stopped>,
    pub usage: Usage,
    /// Epoch milliseconds.
    pub started_at: i64,
    /// Epoch milliseconds.
    pub ended_at: i64,
}

/// Runs the command to its end, or ends it when one of `stops` says so.
///
/// # Errors
/// If the process cannot be started. Anything later is an [`Ended`].
pub(crate) async fn run(command: Command, stops: &Stops, log: &JobLog) -> std::io::Result<Ended> {
    let started_at = chrono::Utc::now().timestamp_millis();
    // A job that is killed cannot clean up after itself.
    let place = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir()?;
    let mut child = tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .envs(command.environment)
        .env(LIFELINE_VARIABLE, "1")
        .env("TMPDIR", place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let pid = child.id().expect("a child that was not waited for has an id");
    let group = Group { id: Pid::from_raw(pid.cast_signed()) };
    let _lifeline = child.stdin.take();
    let output = Output { log: log.clone(), result: Arc::default(), result_written: Arc::default() };
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let mut readers = tokio::task::JoinSet::new();
    let to_stdout = output.clone();
    readers.spawn(read_lines(stdout, move |line| to_stdout.stdout_line(line)));
    let to_stderr = output.log.clone();
    readers.spawn(read_lines(stderr, move |line| to_stderr.push("stderr", &String::from_utf8_lossy(line))));

    let mut usage = Usage::default();
    let mut stopped = None;
    let mut kill_at = None;
    let mut sampling = tokio::time::interval(SAMPLE_EVERY);
    sampling.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let exit = loop {
        let asked_to_stop = stopped.is_none();
        tokio::select! {
            exit = child.wait() => break exit?,
            () = output.result_written.notified() => usage.sample(pid),
            _ = sampling.tick() => {
                usage.sample(pid);
                let over = command.memory_bytes_max.zip(usage.memory_bytes).filter(|(max, held)| held > max);
                if let (Some((_, held_bytes)), true) = (over, stopped.is_none()) {
                    stopped = Some(Stopped::MemoryLimit { held_bytes });
                    group.signal(Signal::SIGKILL);
                }
            }
            () = stops.gone.cancelled(), if asked_to_stop => {
                stopped = Some(Stopped::TaskGone);
                group.signal(Signal::SIGTERM);
                kill_at = Some(Instant::now() + command.kill_grace);
            }
            () = stops.stop.cancelled(), if asked_to_stop => {
                stopped = Some(Stopped::WorkerStops);
                group.signal(Signal::SIGTERM);
                kill_at = Some(Instant::now() + command.kill_grace);
            }
            () = stops.now.cancelled(), if asked_to_stop || kill_at.is_some() => {
                stopped.get_or_insert(Stopped::WorkerStops);
                group.signal(Signal::SIGKILL);
                kill_at = None;
            }
            () = async { tokio::time::sleep_until(kill_at.unwrap_or_else(Instant::now)).await }, if kill_at.is_some() => {
                group.signal(Signal::SIGKILL);
                kill_at = None;
            }
        }
    };
    let ended_at = chrono::Utc::now().timestamp_millis();
    // What the job started and left behind ends too, and with it closes the pipes the readers wait on.
    drop(group);
    let drained = tokio::time::timeout(OUTPUT_GRACE, async { while readers.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        log.push("worker", "[the job's output was still open after it ended and is not read further]");
    }
    if let Err(error) = place.close() {
        tracing::warn!("Cannot remove the temporary files of a job: {error}");
    }
    let result = output.result.lock().take();
    Ok(Ended { exit, result, stopped, usage, started_at, ended_at })
}

/// Makes this process end when the worker that started it does. Called first thing by `stepwell job`; does nothing
/// for a job started by hand.
///
/// # Errors
/// If the watching thread cannot be started.
pub fn end_with_worker() -> std::io::Result<()> {
    if std::env::var_os(LIFELINE_VARIABLE).is_none() {
        return Ok(());
    }
    std::thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        let mut byte = [0];
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // The worker would have done it.
        let place = std::env::temp_dir();
        if place.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY_PREFIX)) {
            // What a computation writes at this moment may stay; there is nobody left to tell.
            drop(std::fs::remove_dir_all(place));
        }
        // Not `exit`: that runs destructors beside threads that still compute, and may hang.
        let ended =
            if getpgrp() == getpid() { killpg(getpgrp(), Signal::SIGKILL) } else { kill(getpid(), Signal::SIGKILL) };
        ended.expect("a process may always end itself");
    })?;
    Ok(())
}

/// A process group that ends when this value does, so that no way out of [`run`] leaves a job behind.
struct Group {
    id: Pid,
}

impl Group {
    /// A group that is gone already is what any signal here is for.
    fn signal(&self, signal: Signal) {
        if let Err(error) = killpg(self.id, signal)
            && error != nix::errno::Errno::ESRCH
        {
            tracing::warn!(process.pid = self.id.as_raw(), "Cannot send {signal} to the job's process group: {error}");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Where standard output goes: the log, except for a result object that stays the last line.
#[derive(Clone)]
struct Output {
    log: JobLog,
    result: Arc<Mutex<Option<Value>>>,
    result_written: Arc<Notify>,
}

impl Output {
    fn stdout_line(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let result = parse_result(&text);
        let is_result = result.is_some();
        if !is_result && text.trim().is_empty() {
            return;
        }
        let overtaken = std::mem::replace(&mut *self.result.lock(), result);
        if let Some(overtaken) = overtaken {
            self.log.push("stdout", &overtaken.to_string());
        }
        if is_result {
            self.result_written.notify_one();
        } else {
            self.log.push("stdout", &text);
        }
    }
}

/// A result object (`pipelines.md` 0.3) names its job and its status; any other JSON is just a line.
fn parse_result(line: &str) -> Option<Value> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    let value: Value = serde_json::from_str(line).ok()?;
    (value.get("job")?.is_string() && value.get("status")?.is_string()).then_some(value)
}

/// Calls `line` for every line, without its end; what exceeds `LINE_BYTES_MAX` of a line is dropped.
async fn read_lines(source: impl AsyncRead + Unpin, mut line: impl FnMut(&[u8])) {
    let mut reader = BufReader::with_capacity(64 * 1024, source);
    let mut pending = Vec::new();
    loop {
        // A pipe that breaks ends like one that closes: the job's exit status tells the rest.
        let chunk = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(chunk) => chunk,
        };
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let text = &chunk[..newline.unwrap_or(chunk.len())];
        let room = LINE_BYTES_MAX.saturating_sub(pending.len());
        pending.extend_from_slice(&text[..text.len().min(room)]);
        let consumed = text.len() + usize::from(newline.is_some());
        reader.consume(consumed);
        if newline.is_some() {
            line(&pending);
            pending.clear();
        }
    }
    if !pending.is_empty() {
        line(&pending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops() -> Stops {
        Stops { gone: CancellationToken::new(), stop: CancellationToken::new(), now: CancellationToken::new() }
    }

    fn shell(script: &str) -> Command {
        Command {
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: Vec::new(),
            memory_bytes_max: None,
            kill_grace: Duration::from_millis(300),
        }
    }

    #[tokio::test]
    async fn the_last_line_is_the_result_and_the_others_are_log() {
        let log = JobLog::default();
        let script = r#"echo one; echo two >&2; echo '{"job":"j","status":"FAILED","n":1}'; echo '{"job":"j","status":"SUCCEEDED"}'; echo; exit 3"#;
        let ended = run(shell(script), &stops(), &log).await.unwrap();
        assert_eq!(ended.exit.code(), Some(3));
        assert_eq!(ended.result.unwrap()["status"], "SUCCEEDED");
        // Two pipes have no order between them.
        let mut lines = log.tail();
        lines.sort();
        assert_eq!(lines, ["one", "two", r#"{"job":"j","status":"FAILED","n":1}"#]);
    }

    #[tokio::test]
    async fn a_result_followed_by_text_is_no_result() {
        let log = JobLog::default();
        let script = r#"echo '{"job":"j","status":"SUCCEEDED"}'; echo bye"#;
        let ended = run(shell(script), &stops(), &log).await.unwrap();
        assert!(ended.result.is_none());
        assert_eq!(log.tail(), [r#"{"job":"j","status":"SUCCEEDED"}"#, "bye"]);
    }

    #[tokio::test]
    async fn who_ignores_sigterm_gets_sigkill_with_everything_it_started() {
        let stops = stops();
        let log = JobLog::default();
        let script = "trap '' TERM; (trap '' TERM; sleep 600) & echo $!; while :; do sleep 1; done";
        let running = run(shell(script), &stops, &log);
        let stopping = async {
            while log.tail().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stops.gone.cancel();
        };
        let (ended, ()) = tokio::join!(running, stopping);
        let ended = ended.unwrap();
        assert_eq!(ended.stopped, Some(Stopped::TaskGone));
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.exit), Some(9));
        let grandchild = Pid::from_raw(log.tail()[0].parse().unwrap());
        let deadline = Instant::now() + Duration::from_secs(5);
        while is_running(grandchild) {
            assert!(Instant::now() < deadline, "the job's own child outlived it");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A zombie that nobody reaps (there may be no init in a container) has ended all the same.
    fn is_running(process: Pid) -> bool {
        std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let command = Command { program: "/nowhere/at/all".into(), ..shell("") };
        let refused = run(command, &stops(), &JobLog::default()).await;
        assert_eq!(refused.err().map(|error| error.kind()), Some(std::io::ErrorKind::NotFound));
    }

    #[tokio::test]
    async fn endless_lines_do_not_fill_memory() {
        let mut lines = Vec::new();
        let text = [vec![b'x'; LINE_BYTES_MAX + 10], b"\nshort".to_vec()].concat();
        read_lines(text.as_slice(), |line| lines.push(line.len())).await;
        assert_eq!(lines, [LINE_BYTES_MAX, 5]);
    }
}
