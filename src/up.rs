//! `stepwell up`: server, worker, embedded database and a sample lake in one command.
//!
//! The server runs in this process, the worker as a child process of its own, as in any other installation. A second
//! `up` on the same folder finds everything as it was.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use orchestrator::config::ServeArgs;
use orchestrator::serve::Server;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use workers::sample;

use crate::progress;

/// The pipeline of the first run.
const PIPELINE: &str = "daily-prices";
/// Between the end of a worker and the start of the next, so that one that cannot start does not spin.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How long the worker may take to end its jobs once this process was asked to stop.
const WORKER_GRACE: Duration = Duration::from_secs(8);
/// The file that is written where there is no folder of state machines, so that `up` works from anywhere.
const MACHINE: &str = include_str!("../state-machines/daily-prices.asl.json");
const SHEET: &str = include_str!("../state-machines/daily-prices.toml");

/// Settings of `stepwell up`.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Sample days to run through the pipeline at the first start, newest last; 0 to 10.
    #[arg(long, env = "STEPWELL_UP_DAYS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=10))]
    days: u64,
    /// End after the sample days instead of serving on; the exit status says whether all are in.
    #[arg(long, env = "STEPWELL_UP_ONCE")]
    once: bool,
}

/// Runs until `shutdown`.
pub async fn run(mut args: UpArgs, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let data = std::path::absolute(&args.serve.data).context("cannot find the data folder")?;
    std::fs::create_dir_all(&data)
        .with_context(|| format!("cannot make the folder `{}`; choose another with --data", data.display()))?;
    args.serve.data.clone_from(&data);
    args.serve.state_machines = state_machines(&args.serve.state_machines, &data)?;
    let lake = data.join("lake");
    let waiting = progress::step("Laying the sample lake", lay_sample(&lake)).await?;
    let server = Server::start(&args.serve).await?;
    let address = server.address();
    let (engine, actions) = (server.engine().clone(), server.actions().clone());
    // The worker ends first: what it reports while it drains still finds the server.
    let end_server = CancellationToken::new();
    let mut serving = tokio::spawn(server.run(end_server.clone()));
    let worker = tokio::spawn(supervise(WorkerCommand::new(address.to_string(), &lake, &data)?, shutdown.clone()));

    let days = &waiting[waiting.len().saturating_sub(usize::try_from(args.days).unwrap_or(usize::MAX))..];
    let runs = progress::run_days(&engine, &actions, PIPELINE, days);
    let outcome = tokio::select! {
        outcome = runs => Some(outcome?),
        served = &mut serving => { served.context("the server died")??; None }
        () = shutdown.cancelled() => None,
    };
    if let Some(outcome) = &outcome {
        progress::say_how_to_go_on(&address.to_string(), PIPELINE, &waiting, outcome, &data);
    }
    if args.once {
        shutdown.cancel();
    }
    if !serving.is_finished() {
        tokio::select! {
            () = shutdown.cancelled() => {}
            served = &mut serving => served.context("the server died")??,
        }
    }
    shutdown.cancel();
    worker.await.context("the worker's supervisor died")??;
    end_server.cancel();
    if !serving.is_finished() {
        serving.await.context("the server died")??;
    }
    let all_in = outcome.is_none_or(|outcome| outcome.failed == 0);
    Ok(if all_in { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn lay_sample(folder: &Path) -> anyhow::Result<Vec<String>> {
    let folder = folder.to_owned();
    Ok(tokio::task::spawn_blocking(move || sample::lay(&folder)).await??)
}

/// The folder given, or a copy of the main job's files where there is none.
fn state_machines(given: &Path, data: &Path) -> anyhow::Result<PathBuf> {
    if given.is_dir() {
        return Ok(given.to_owned());
    }
    let own = data.join("state-machines");
    std::fs::create_dir_all(&own).with_context(|| format!("cannot make the folder `{}`", own.display()))?;
    for (name, text) in [("daily-prices.asl.json", MACHINE), ("daily-prices.toml", SHEET)] {
        let path = own.join(name);
        if !path.exists() {
            std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
    }
    Ok(own)
}

/// How the worker is started.
struct WorkerCommand {
    program: PathBuf,
    endpoint: String,
    lake: PathBuf,
    log: PathBuf,
}

impl WorkerCommand {
    fn new(address: String, lake: &Path, data: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            program: std::env::current_exe().context("cannot find this program's file")?,
            endpoint: format!("http://{address}"),
            lake: lake.to_owned(),
            log: data.join("worker.log"),
        })
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write the worker's log `{}`", self.log.display()))?;
        Command::new(&self.program)
            .args(["worker", "--endpoint", &self.endpoint])
            .env("STEPWELL_LAKE", &self.lake)
            .env("RAW_BUCKET", sample::RAW_BUCKET)
            .env("CURATED_BUCKET", sample::CURATED_BUCKET)
            .env("ARTIFACTS_BUCKET", sample::ARTIFACTS_BUCKET)
            .env("BENCHMARK_SYMBOL", "IBM")
            // The lifeline: the worker ends with this process, however that ends.
            .env(workers::LIFELINE_VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is this process's to pass on, once, as SIGTERM.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the worker process")
    }
}

/// Keeps one worker running until `shutdown`, then lets it drain.
async fn supervise(command: WorkerCommand, shutdown: CancellationToken) -> anyhow::Result<()> {
    loop {
        let mut child = command.spawn()?;
        // Waiting for a child closes its standard input, which here is its lifeline.
        let _lifeline = child.stdin.take();
        tokio::select! {
            ended = child.wait() => {
                let status = ended.context("cannot wait for the worker process")?;
                tracing::warn!(
                    "The worker ended ({status}) and is started again; its log is `{}`", command.log.display()
                );
            }
            () = shutdown.cancelled() => return drain(child).await,
        }
        tokio::select! {
            () = tokio::time::sleep(RESTART_PAUSE) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

async fn drain(mut child: Child) -> anyhow::Result<()> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).context("cannot ask the worker to end")?;
    }
    if tokio::time::timeout(WORKER_GRACE, child.wait()).await.is_err() {
        tracing::warn!("The worker did not end within {} s and is killed; its jobs run again", WORKER_GRACE.as_secs());
        child.kill().await.context("cannot kill the worker")?;
    }
    Ok(())
}
