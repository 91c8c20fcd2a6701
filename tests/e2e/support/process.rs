//! Processes of the program under test.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program under test.
pub const STEPWELL: &str = env!("CARGO_BIN_EXE_stepwell");
/// A server opens its database and applies migrations first; debug builds on busy machines take their time.
const LISTENING_WITHIN: Duration = Duration::from_secs(60);
/// Lines of its log that a process leaves in the output of a failed test.
const LINES_SHOWN: usize = 40;

/// A server or worker, killed with this value. Its log is printed if the test failed.
pub struct Process {
    what: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

/// A server on `database`, at `address` (port 0 takes a free one); the address it has got.
pub fn serve(database: &str, address: &str, flags: &[&str]) -> (Process, String) {
    serve_in(database, address, flags, &[])
}

/// [`serve`] with variables of the environment.
pub fn serve_in(database: &str, address: &str, flags: &[&str], variables: &[(&str, &str)]) -> (Process, String) {
    // No folder of state machines: the tests bring their own through the API.
    let fixed = ["--listen", address, "--database-url", database, "--state-machines", "/nonexistent"];
    listening(&[&fixed, flags].concat(), variables)
}

/// A server with these flags; the address it has got.
pub fn serve_with<S: AsRef<OsStr>>(flags: &[S]) -> (Process, String) {
    listening(flags, &[])
}

fn listening<S: AsRef<OsStr>>(flags: &[S], variables: &[(&str, &str)]) -> (Process, String) {
    let (say, said) = mpsc::channel();
    let mut command = Command::new(STEPWELL);
    command.arg("serve").args(flags).envs(variables.iter().copied()).stdin(Stdio::null());
    let process = Process::start("serve", command, move |line| {
        if let Some((_, rest)) = line.split_once("Listening at http://") {
            let end = rest.find(|c: char| c == '"' || c.is_whitespace()).unwrap_or(rest.len());
            // Nobody listens to what comes after the first.
            say.send(rest[..end].to_owned()).ok();
        }
    });
    let address = said.recv_timeout(LISTENING_WITHIN).expect("the server says that it listens");
    (process, address)
}

/// A worker of the server at `address`, with the test jobs.
pub fn worker(address: &str, name: &str, flags: &[&str]) -> Process {
    let fixed = ["--name", name, "--with-test-jobs"];
    worker_with(address, name, &[&fixed, flags].concat(), &[])
}

/// A worker of the server at `address` with these flags and variables. It ends with this process, however that ends, and
/// its jobs with it.
pub fn worker_with(address: &str, what: &str, flags: &[&str], variables: &[(&str, &OsStr)]) -> Process {
    let mut command = Command::new(STEPWELL);
    command.args(["worker", "--endpoint", &format!("http://{address}")]).args(flags);
    command.envs(variables.iter().copied()).env(workers::LIFELINE_VARIABLE, "1").stdin(Stdio::piped());
    Process::start(what, command, |_| {})
}

impl Process {
    fn start(what: &str, mut command: Command, mut hear: impl FnMut(&str) + Send + 'static) -> Self {
        // The tests' own database server is not the program's.
        command.env_remove("DATABASE_URL").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                hear(&line);
                kept.lock().expect("no holder panics").push(line);
            }
        });
        Self { what: format!("{what} ({})", child.id()), child, log }
    }

    /// `kill -9`, and its end.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// SIGTERM, and its end; how long that took.
    pub fn terminate(&mut self, within: Duration) -> (ExitStatus, Duration) {
        let pid = i32::try_from(self.child.id()).expect("process ids are small");
        let began = Instant::now();
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a child can be signalled");
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < within, "{} did not end within {within:?} of SIGTERM", self.what);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log.lock().map(|log| log.clone()).unwrap_or_default();
            eprintln!("--- log of {}, last {LINES_SHOWN} of {} lines", self.what, log.len());
            log.iter().skip(log.len().saturating_sub(LINES_SHOWN)).for_each(|line| eprintln!("{line}"));
        }
    }
}
