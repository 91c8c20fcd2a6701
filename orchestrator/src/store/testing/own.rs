//! A Postgres server that one test has for itself, to kill it.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::server::{Place, START_MAX, answers, binaries, tail, url_of};

/// A running server with an empty database, in a folder that goes with this value.
#[derive(Debug)]
pub struct OwnServer {
    /// Its address, for `--database-url`; the same after a restart.
    pub url: String,
    folder: TempDir,
    process: Option<Child>,
}

impl OwnServer {
    /// Starts a server. Blocks for seconds.
    ///
    /// # Errors
    /// If there is no Postgres, or it does not start.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("stepwell-own-postgres-").tempdir()?;
        // The server's user must get through to its folders.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let url = url_of(&folder.path().join("socket"));
        let mut server = Self { url, folder, process: None };
        server.restart()?;
        Ok(server)
    }

    /// `kill -9` of the server and of every process of it.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        // Its own group, so that the processes that serve connections go at the same moment.
        let group = format!("-{}", process.id());
        let killed = Command::new("kill").args(["-9", "--", &group]).status().context("cannot run `kill`")?;
        process.wait().context("the server does not end")?;
        if !killed.success() {
            bail!("`kill -9 -- {group}` failed");
        }
        Ok(())
    }

    /// Starts it again on what it left on the disk, and waits until it has recovered.
    ///
    /// # Errors
    /// If it does not come back.
    pub fn restart(&mut self) -> Result<()> {
        let binaries = binaries()?;
        let socket = self.folder.path().join("socket");
        let place = Place::prepare(&binaries, self.folder.path(), &socket)?;
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            let mut process = place
                .command(&binaries.join("postgres"))?
                .arg("-D")
                .arg(&place.data)
                .arg("-k")
                .arg(&socket)
                .args(["-h", "", "-c", "logging_collector=off"])
                .process_group(0)
                .spawn()
                .context("cannot start Postgres")?;
            // It ends at once while a process of the one before is still going: then it is started again.
            while process.try_wait()?.is_none() {
                if answers(&self.url)? {
                    self.process = Some(process);
                    return Ok(());
                }
                if Instant::now() > deadline {
                    self.process = Some(process);
                    self.kill()?;
                    break;
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        bail!("Postgres did not start: {}", tail(&place.log))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if self.process.is_some()
            && let Err(error) = self.kill()
        {
            tracing::warn!("A Postgres server of a test was left behind: {error:#}");
        }
    }
}
