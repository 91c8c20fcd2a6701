//! `worker-under-test worker <flags>` and `worker-under-test job <name> --argument=value …`: what the product's binary does
//! for these two subcommands, without the rest of it.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    workers::install_crypto_provider();
    let mut words = std::env::args().skip(1);
    let subcommand = words.next().unwrap_or_default();
    match subcommand.as_str() {
        "job" => {
            let name = words.next().unwrap_or_default();
            Ok(workers::main_job_process(&name, &words.collect::<Vec<_>>()))
        }
        "worker" => {
            tracing_subscriber::fmt().with_writer(std::io::stderr).init();
            let config = workers::Config::from_flags(words)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(workers::run_until_signalled(config))?;
            runtime.shutdown_background();
            Ok(ExitCode::SUCCESS)
        }
        _ => anyhow::bail!("usage: worker-under-test worker|job …"),
    }
}
