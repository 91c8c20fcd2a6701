//! `stepwell bench`: how fast a server on this database is, against the limit of the same database in the same run.
//!
//! A server process of its own is loaded through its API, as clients do it. What is printed is what was measured; nothing
//! is judged. The database keeps what the bench made: give it one of its own.

mod client;
mod load;
mod server;

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::config::postgres_url;
use crate::store::postgres::raw_rate::raw_group_commit_rate;
use load::Load;
use server::ServerProcess;

/// Settings of a bench.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Postgres database to measure on, `postgres://user:password@host/database`; best an empty one.
    /// [default: `DATABASE_URL`]
    #[arg(long, env = "STEPWELL_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Executions of each kind.
    #[arg(long, env = "STEPWELL_BENCH_EXECUTIONS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub executions: u64,
    /// Requests in flight at once.
    #[arg(long, env = "STEPWELL_BENCH_CLIENTS", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=512))]
    pub clients: u64,
    /// Workers that poll the activity.
    #[arg(long, env = "STEPWELL_BENCH_WORKERS", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub workers: u64,
    /// Seconds the database's own rate and the idle server are watched for.
    #[arg(long, env = "STEPWELL_BENCH_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
}

/// Rows of the journal in one transaction of the raw rate: as many as turns find their way into one under load.
const RAW_BATCH_ROWS: u32 = 64;

/// Measures and prints.
#[expect(clippy::print_stdout, reason = "what a person asked to see")]
pub async fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let watched = Duration::from_secs(args.seconds);
    let general = || postgres_url(std::env::var("DATABASE_URL").ok());
    let database_url = args.database_url.clone().or_else(general);
    let database_url = database_url.context("give --database-url, or set STEPWELL_DATABASE_URL or DATABASE_URL")?;
    let raw = raw_group_commit_rate(&database_url, RAW_BATCH_ROWS, args.seconds)
        .await
        .context("cannot measure the database's own rate")?;
    println!("raw group commit      {:>10.0} rows/s in transactions of {RAW_BATCH_ROWS}", raw.rows_per_second);
    let server = ServerProcess::start(&database_url).await?;
    let load = Load::new(server.address(), args);
    let chain = load.pass_chain().await?;
    let transitions = chain * load::CHAIN_STATES as f64;
    println!(
        "pass-chain            {:>10.0} executions/s = {:.0} state transitions/s, {:.2} of the raw rate ({} executions, {} clients)",
        chain,
        transitions,
        transitions / raw.rows_per_second,
        args.executions,
        args.clients
    );
    let activity = load.activity().await?;
    println!(
        "activity              {:>10.0} executions/s ({} executions, {} clients, {} workers)",
        activity, args.executions, args.clients, args.workers
    );
    let latency = load.start_latency().await?;
    println!("start, one client     {:>10.2} ms median, {:.2} ms p99", latency.median_ms, latency.p99_ms);
    let idle = server.watch_idle(watched).await?;
    println!("idle after the load   {:>10.1} MiB resident, {:.2} % of a core", idle.resident_mib, idle.cpu_percent);
    server.stop().await?;
    let fresh = ServerProcess::start(&database_url).await?;
    let idle = fresh.watch_idle(watched).await?;
    println!("idle, just started    {:>10.1} MiB resident, {:.2} % of a core", idle.resident_mib, idle.cpu_percent);
    fresh.stop().await
}
