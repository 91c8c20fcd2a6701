//! The one binary: a `match` over subcommands that call into the libraries.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use orchestrator::config::ServeArgs;
use orchestrator::serve::Server;
use orchestrator::telemetry;
use tokio_util::sync::CancellationToken;

mod progress;
mod up;

/// AWS Step Functions for your own machines, made for data pipelines.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on the embedded database, with sample data, and run the main job for a few days of it.
    Up(up::UpArgs),
    /// Run a server: the Step Functions API, REST, and the dashboard.
    Serve(ServeArgs),
    /// Run a worker: serves the data jobs and functions as activities of a server, or of AWS.
    Worker(workers::Config),
    /// Run one data job here and now, as a worker would.
    #[command(disable_help_flag = true)]
    Job {
        /// The job; without one, all jobs are listed.
        name: Option<String>,
        /// Arguments of the job, as `--name value` or `--name=value`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure a server on a Postgres database: transitions per second, latency, idle cost.
    Bench(orchestrator::bench::BenchArgs),
    /// Check state machine definitions: every finding with its place.
    Validate {
        /// Definition files (`.asl.json`).
        #[arg(required = true)]
        files: Vec<std::path::PathBuf>,
        /// Check as EXPRESS machines.
        #[arg(long)]
        express: bool,
    },
}

fn main() -> ExitCode {
    workers::install_crypto_provider();
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stepwell: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(args) => runtime()?.block_on(async {
            // The progress display is what a person watches; logs are for what goes wrong.
            telemetry::log::init("warn");
            up::run(args, signals()?).await
        }),
        Command::Worker(config) => {
            telemetry::log::init("info");
            // Under `stepwell up` the worker ends with it.
            workers::end_with_worker()?;
            runtime()?.block_on(workers::run_until_signalled(config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Job { name: Some(name), arguments } => {
            telemetry::log::init("info");
            Ok(workers::main_job_process(&name, &arguments))
        }
        Command::Job { name: None, .. } => {
            list_jobs();
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(args) => {
            telemetry::log::init("warn");
            runtime()?.block_on(orchestrator::bench::run(&args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Validate { files, express } => validate(&files, express),
        Command::Serve(args) => runtime()?.block_on(async {
            telemetry::log::init("info");
            let server = Server::start(&args).await?;
            server.run(signals()?).await?;
            Ok(ExitCode::SUCCESS)
        }),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Cancelled by the first SIGINT or SIGTERM; a second one ends the process at once.
fn signals() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        cancelled.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(130);
    });
    Ok(token)
}

#[expect(clippy::print_stdout, reason = "what a person asked to see")]
fn list_jobs() {
    for job in workers::job::jobs() {
        println!("{:32} {}", job.name, job.summary);
    }
}

/// Exit status 0 if all files are valid.
#[expect(clippy::print_stdout, reason = "what a person asked to see")]
fn validate(files: &[std::path::PathBuf], express: bool) -> anyhow::Result<ExitCode> {
    let mut valid = true;
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        match orchestrator::validate(&text, express) {
            Ok(warnings) => {
                println!("{}: valid", file.display());
                warnings.iter().for_each(|warning| println!("  {warning}"));
            }
            Err(findings) => {
                valid = false;
                println!("{}: {} findings", file.display(), findings.len());
                findings.iter().for_each(|finding| println!("  {finding}"));
            }
        }
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
