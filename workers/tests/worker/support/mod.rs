//! What the worker's tests share: a fake service, a worker against it, and waiting for facts.

pub mod fake_service;

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::fake_service::FakeService;

/// The program with the worker and its test jobs.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_worker-under-test");

/// Far more than anything here takes, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(40);

/// A worker inside this process; its jobs are real processes.
pub struct TestWorker {
    pub shutdown: CancellationToken,
    pub now: CancellationToken,
    pub ended: JoinHandle<Result<(), workers::Error>>,
}

/// The flags of a worker that serves `only` for the service.
pub fn flags(service: &FakeService, only: &str, more: &[&str]) -> Vec<String> {
    let endpoint = service.endpoint();
    let basic = ["--endpoint", &endpoint, "--executable", PROGRAM, "--with-test-jobs", "--only", only];
    let quick = ["--heartbeat-seconds", "0.2", "--kill-grace-seconds", "0.5", "--name", "tester"];
    basic.iter().chain(&quick).chain(more).map(|flag| (*flag).to_owned()).collect()
}

impl TestWorker {
    pub fn start(service: &FakeService, only: &str, more: &[&str]) -> TestWorker {
        let config = workers::Config::from_flags(flags(service, only, more)).expect("the flags parse");
        let (shutdown, now) = (CancellationToken::new(), CancellationToken::new());
        let ended = tokio::spawn(workers::run_until(config, shutdown.clone(), now.clone()));
        TestWorker { shutdown, now, ended }
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.wait().await;
    }

    pub async fn wait(self) {
        let ended = tokio::time::timeout(DEADLINE, self.ended).await.expect("the worker stops in time");
        ended.expect("the worker does not panic").expect("the worker started");
    }
}

/// Waits until `fact` is something.
#[track_caller]
pub fn eventually<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = fact() {
                return found;
            }
            assert!(Instant::now() < deadline, "{caller}: waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether a process is there and not merely unburied: a container may have no init that buries orphans.
pub fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
