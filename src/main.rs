//! The one binary: a `match` over subcommands that call into the libraries.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use orchestrator::config::ServeArgs;
use orchestrator::serve::Server;
use orchestrator::telemetry;
use tokio_util::sync::CancellationToken;

mod job;
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
    /// Run one data job here and now, as a worker would: `job NAME --ds 2024-12-07 …`. `job --list` lists them,
    /// `job NAME --help` tells what one takes.
    #[command(disable_help_flag = true)]
    Job {
        /// The job and its arguments, as `--name value` or `--name=value`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Measure a server on a Postgres database: transitions per second, latency, idle cost.
    Bench(orchestrator::bench::BenchArgs),
    /// Check state machine definitions: every finding with its place.
    Validate {
        /// Definition files (`.asl.json`).
        #[arg(required = true)]
        files: Vec<std::path::PathBuf>,
        /// Check as EXPRESS machines.
        #[arg(long, env = "STEPWELL_VALIDATE_EXPRESS")]
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
        Command::Job { words } => Ok(job::run(&words)),
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
                valid &= validate_sheet(file, &text)?;
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

/// Whether the sheet beside `<name>.asl.json` is valid, if there is one.
#[expect(clippy::print_stdout, reason = "what a person asked to see")]
fn validate_sheet(definition: &std::path::Path, text: &str) -> anyhow::Result<bool> {
    let Some(name) = definition.to_str().and_then(|path| path.strip_suffix(".asl.json")) else { return Ok(true) };
    let file = format!("{name}.toml");
    let sheet = match std::fs::read_to_string(&file) {
        Ok(sheet) => sheet,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{file}`")),
    };
    match orchestrator::validate_sheet(&file, &sheet, text) {
        Ok(warnings) => {
            println!("{file}: valid");
            warnings.iter().for_each(|warning| println!("  {warning}"));
            Ok(true)
        }
        Err(error) => {
            println!("{error}");
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn every_flag_has_an_environment_twin_of_its_own_meaning() {
        let mut command = Cli::command();
        command.build();
        let mut flags = 0;
        for subcommand in command.get_subcommands() {
            for flag in subcommand.get_arguments() {
                let Some(long) = flag.get_long().filter(|long| !["help", "version"].contains(long)) else { continue };
                let place = format!("stepwell {} --{long}", subcommand.get_name());
                let twin = flag.get_env().unwrap_or_else(|| panic!("{place} has no environment twin"));
                let twin = twin.to_str().expect("plain text");
                // A variable that two commands read must mean the same to both.
                let is_worker = subcommand.get_name() == "worker";
                assert!(!(is_worker && twin == "STEPWELL_DRAIN_SECONDS"), "{place} shares `{twin}` with the server");
                assert!(long != "region" || twin == "AWS_REGION", "{place} reads `{twin}`");
                flags += 1;
            }
        }
        assert!(flags > 30, "{flags} flags");
    }
}
