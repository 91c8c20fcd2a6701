//! The server under load: a process of its own, watched from outside.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Source: `man 5 proc`, `USER_HZ` on every architecture Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running server.
pub(super) struct ServerProcess {
    child: Child,
    address: String,
}

/// What an idle server takes.
pub(super) struct Idle {
    pub(super) resident_mib: f64,
    pub(super) cpu_percent: f64,
}

impl ServerProcess {
    /// Starts this program's `serve` on a free port and waits until it listens.
    pub(super) async fn start(database_url: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe().context("cannot find this program's file")?)
            .args(["serve", "--listen", "127.0.0.1:0", "--state-machines", "/nonexistent"])
            .env("STEPWELL_DATABASE_URL", database_url)
            .env("STEPWELL_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the server")?;
        let mut lines = BufReader::new(child.stderr.take().context("the server has no log")?).lines();
        let mut log = Vec::new();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                let record: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = record["address"].as_str() {
                    return anyhow::Ok(address.to_owned());
                }
                log.push(line);
            }
            anyhow::bail!("the server ended:\n{}", log.join("\n"))
        };
        let address = tokio::time::timeout(START_DEADLINE, listening).await.context("the server does not listen")??;
        // The rest of the log is read, so that the server never waits for somebody to read it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, address })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Memory and processor time of the process while nobody asks anything of it.
    pub(super) async fn watch_idle(&self, time: Duration) -> anyhow::Result<Idle> {
        let pid = self.child.id().context("the server has ended")?;
        let before = cpu_ticks(pid)?;
        tokio::time::sleep(time).await;
        let ticks = cpu_ticks(pid)? - before;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("cannot read the memory in use")?;
        let kib: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok())
            .context("the system does not say how much memory is in use")?;
        Ok(Idle { resident_mib: kib / 1024.0, cpu_percent: ticks / TICKS_PER_SECOND / time.as_secs_f64() * 100.0 })
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot stop the server")
    }
}

/// User and system time of a process.
fn cpu_ticks(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("cannot read the processor time in use")?;
    let fields = stat.rsplit_once(')').context("the system's process record has no name")?.1;
    let mut ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    let (user, system) = (ticks.next().context("no user time")??, ticks.next().context("no system time")??);
    Ok(user + system)
}
