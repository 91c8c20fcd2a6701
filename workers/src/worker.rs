//! The worker process: everything that lives as long as it does, its start, its drain and its end.
//!
//! ```text
//! poller (one per activity) ── a task ──▶ task (heartbeats, slot) ──▶ job_process ─▶ child   or   function
//!                                                                        └─▶ completion ─▶ service
//! ```
//!
//! **Drain.** Asked to stop, the worker says so (`workers/heartbeat`, status `draining`) and polls no more. Polls that are
//! open may finish: on AWS until they end, since a task handed to a closed connection would sit there until its timeout;
//! elsewhere for [`POLL_GRACE`], since Stepwell can answer them at once and hands a task out again when its lease
//! expires. Running tasks go on for the drain time, then their processes end (SIGTERM, then SIGKILL) and the tasks are
//! given back. Asked a second time, everything ends at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::client::Client;
use crate::config::{Config, ConfigError, Settings};
use crate::poller::{self, Activity};
use crate::report::{Reports, RunningTask, WorkerHeartbeat};
use crate::served;

/// How often the dashboard hears of this worker.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// How long open polls may go on after the drain was announced to a Stepwell server.
const POLL_GRACE: Duration = Duration::from_secs(2);
/// After the processes were ended: time to read their output and give the tasks back.
const END_GRACE: Duration = Duration::from_secs(10);

/// A worker that could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that cannot be meant.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client for reports could not be made.
    #[error("cannot set up HTTP for logs and reports")]
    Http(#[from] reqwest::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen for SIGTERM and SIGINT")]
    Signals(#[source] std::io::Error),
}

/// What every poller and task shares.
pub(crate) struct Worker {
    pub settings: Settings,
    pub client: Client,
    pub reports: Reports,
    pub job_slots: Arc<Semaphore>,
    pub function_slots: Arc<Semaphore>,
    pub tasks: TaskTracker,
    /// No further task is taken.
    pub drain: CancellationToken,
    /// Open polls are given up.
    pub polls_over: CancellationToken,
    /// The drain time is over: processes get SIGTERM, tasks are given back.
    pub stop: CancellationToken,
    /// Processes get SIGKILL.
    pub now: CancellationToken,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    next: u64,
    tasks: BTreeMap<u64, RunningTask>,
}

/// Serves until `shutdown` is cancelled and the drain is over.
///
/// # Errors
/// If the configuration is unusable. A server that is away is no error: the worker waits for it.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    run_until(config, shutdown, CancellationToken::new()).await
}

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends everything at once.
///
/// # Errors
/// As [`run`], or if signals cannot be listened to.
pub async fn run_until_signalled(config: Config) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let (shutdown, now) = (CancellationToken::new(), CancellationToken::new());
    let signals = async {
        for (token, what) in [(&shutdown, "finishing running tasks; once more to end them"), (&now, "ending at once")] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            info!("Asked to stop: {what}");
            token.cancel();
        }
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        ended = run_until(config, shutdown.clone(), now.clone()) => ended,
        never = signals => match never {},
    }
}

/// Serves until `shutdown`; `now` cuts the drain short.
///
/// # Errors
/// As [`run`].
pub async fn run_until(config: Config, shutdown: CancellationToken, now: CancellationToken) -> Result<(), Error> {
    let settings = config.resolve()?;
    let activities: Vec<Arc<Activity>> = served::activities(&settings)?.into_iter().map(Arc::new).collect();
    let worker = Arc::new(Worker {
        client: Client::connect(&settings).await,
        reports: Reports::new(&settings)?,
        job_slots: Arc::new(Semaphore::new(settings.slots)),
        function_slots: Arc::new(Semaphore::new(settings.function_slots)),
        settings,
        tasks: TaskTracker::new(),
        drain: shutdown,
        polls_over: CancellationToken::new(),
        stop: CancellationToken::new(),
        now,
        running: Mutex::default(),
    });
    let server = worker.settings.endpoint.as_ref().map_or("AWS", |url| url.as_str());
    info!(
        worker.id = worker.settings.name,
        "Worker `{}` serves {} activities of {server}",
        worker.settings.name,
        activities.len()
    );
    let mut pollers = JoinSet::new();
    for activity in &activities {
        pollers.spawn(poller::poll(worker.clone(), activity.clone()));
    }
    let telling = async {
        loop {
            worker.tell(&activities, "serving").await;
            tokio::time::sleep(HEARTBEAT_EVERY).await;
        }
    };
    tokio::select! {
        () = telling => {}
        () = worker.drain.cancelled() => {}
    }
    drain(&worker, &activities, pollers).await;
    worker.tell(&activities, "stopped").await;
    info!(worker.id = worker.settings.name, "Worker `{}` stopped", worker.settings.name);
    Ok(())
}

async fn drain(worker: &Worker, activities: &[Arc<Activity>], mut pollers: JoinSet<()>) {
    let finished = async {
        while let Some(ended) = pollers.join_next().await {
            if let Err(error) = ended {
                warn!("A poller ended badly: {error}");
            }
        }
        // Only now: a poll that ends may still bring a task.
        worker.tasks.close();
        worker.tasks.wait().await;
    };
    let telling = async {
        loop {
            worker.tell(activities, "draining").await;
            if !worker.settings.aws && !worker.polls_over.is_cancelled() {
                tokio::time::sleep(POLL_GRACE).await;
                worker.polls_over.cancel();
            }
            tokio::time::sleep(HEARTBEAT_EVERY).await;
        }
    };
    let ending = async {
        tokio::select! {
            () = tokio::time::sleep(worker.settings.drain_timeout) => {}
            () = worker.now.cancelled() => {}
        }
        worker.polls_over.cancel();
        worker.stop.cancel();
        tokio::select! {
            () = tokio::time::sleep(worker.settings.kill_grace + END_GRACE) => worker.now.cancel(),
            () = worker.now.cancelled() => {}
        }
        tokio::time::sleep(END_GRACE).await;
    };
    tokio::select! {
        () = finished => {}
        () = telling => {}
        () = ending => warn!("Some tasks were left as they are; their leases expire"),
    }
}

impl Worker {
    /// Tells the dashboard of this worker; whether it arrives changes nothing here.
    async fn tell(&self, activities: &[Arc<Activity>], status: &'static str) {
        let heartbeat = WorkerHeartbeat {
            name: &self.settings.name,
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            host: &self.settings.host,
            slots: self.settings.slots,
            running: self.running.lock().tasks.values().cloned().collect(),
            activities: activities.iter().map(|activity| activity.name.as_str()).collect(),
            status,
        };
        self.reports.heartbeat(&heartbeat).await;
    }

    /// Counts a task as running until the answer is dropped.
    pub fn note_running(self: &Arc<Self>, activity: &str) -> impl Drop + use<> {
        struct Noted {
            worker: Arc<Worker>,
            key: u64,
        }
        impl Drop for Noted {
            fn drop(&mut self) {
                self.worker.running.lock().tasks.remove(&self.key);
            }
        }
        let since = chrono::Utc::now().timestamp_millis();
        let mut running = self.running.lock();
        let key = running.next;
        running.next += 1;
        running.tasks.insert(key, RunningTask { activity: activity.to_owned(), since });
        drop(running);
        Noted { worker: self.clone(), key }
    }
}
