//! The private server: found, started once under a lock, stopped by its keeper when nobody has used it for a while.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::AssertSqlSafe;

/// How long a server may take to start; recovery after a kill included.
pub(super) const START_MAX: Duration = Duration::from_secs(60);
/// Who runs the server when the tests run as root, which Postgres refuses to.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
/// Room for many test processes at once.
const CONNECTIONS_MAX: &str = "max_connections=300";

/// Runs the server as its child and stops it once a minute has passed without a client: nobody else needs to
/// remember it. The arguments are the folders of binaries, data and socket.
const KEEPER: &str = r#"
"$1/postgres" -D "$2" -k "$3" -h '' -c "$4" -c logging_collector=off &
server=$!
idle=0
while kill -0 $server 2>/dev/null; do
    sleep 5
    clients=$("$1/psql" -h "$3" -U postgres -Atqc "select count(*) from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()" postgres 2>/dev/null)
    if [ "$clients" = 0 ]; then idle=$((idle + 1)); else idle=0; fi
    if [ $idle -ge 12 ]; then kill -INT $server; fi
done
"#;

/// The address of the shared server, started if it does not run.
pub(super) fn shared() -> Result<String> {
    let folder = std::env::temp_dir().join(format!("stepwell-postgres-{}", own_user()?));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    let lock = File::create(folder.join("start.lock"))?;
    // Whoever comes first starts it, the others wait here.
    lock.lock().context("cannot lock the folder of the test server")?;
    let socket = folder.join("socket");
    let url = url_of(&socket);
    if answers(&url)? {
        return Ok(url);
    }
    let binaries = binaries()?;
    start(&binaries, &folder, &socket, &url)?;
    drop_leftovers(&url)?;
    Ok(url)
}

/// The folder with `postgres`, `initdb` and `psql`.
pub(super) fn binaries() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<_> = versions.filter_map(|entry| Some(entry.ok()?.path())).collect();
        versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
        folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    }
    let found = folders.iter().find_map(|folder| {
        // A link leads to the folder that has the rest beside it.
        let folder = folder.join("postgres").canonicalize().ok()?.parent()?.to_owned();
        ["initdb", "psql"].iter().all(|name| folder.join(name).exists()).then_some(folder)
    });
    found.context(
        "these tests need PostgreSQL 15 or newer: install it (Debian, Ubuntu: `apt-get install postgresql`; macOS: \
         `brew install postgresql`), or set DATABASE_URL to a server where databases may be created",
    )
}

fn start(binaries: &Path, folder: &Path, socket: &Path, url: &str) -> Result<()> {
    let place = Place::prepare(binaries, folder, socket)?;
    let (data, log) = (place.data.clone(), place.log.clone());
    let mut keeper = place
        .command(Path::new("/bin/sh"))?
        .arg("-c")
        .arg(KEEPER)
        .arg("stepwell-postgres")
        .args([binaries, &data, socket])
        .arg(CONNECTIONS_MAX)
        .process_group(0)
        .spawn()
        .context("cannot start Postgres")?;
    let deadline = Instant::now() + START_MAX;
    while !answers(url)? {
        if keeper.try_wait()?.is_some() || Instant::now() > deadline {
            bail!("Postgres did not start: {}", tail(&log));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The folders of a server, and who runs it.
pub(super) struct Place {
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    account: Option<(u32, u32)>,
}

impl Place {
    /// Makes the folders and, the first time, the cluster in them.
    pub(super) fn prepare(binaries: &Path, folder: &Path, socket: &Path) -> Result<Self> {
        let place = Self { data: folder.join("data"), log: folder.join("log"), account: account()? };
        for path in [socket, &place.data] {
            std::fs::create_dir_all(path)?;
            if let Some((user, group)) = place.account {
                chown(path, Some(user), Some(group))
                    .with_context(|| format!("cannot hand over `{}`", path.display()))?;
            }
        }
        if !place.data.join("PG_VERSION").exists() {
            let made = place
                .command(&binaries.join("initdb"))?
                .arg("--pgdata")
                .arg(&place.data)
                .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-instructions"])
                .status()
                .context("cannot run initdb")?;
            if !made.success() {
                bail!("initdb failed: {}", tail(&place.log));
            }
        }
        Ok(place)
    }

    /// A program that runs as the server's user and writes to its log.
    pub(super) fn command(&self, program: &Path) -> Result<Command> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

/// The address of the server whose socket is in this folder.
pub(super) fn url_of(socket: &Path) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(socket.to_string_lossy().as_bytes()).collect();
    format!("postgres://postgres@localhost/postgres?host={encoded}")
}

/// The end of the server's log.
pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Who runs this process.
fn own_user() -> Result<u32> {
    // A file belongs to the one who made it.
    let probe = tempfile::NamedTempFile::new().context("cannot write to the folder for temporary files")?;
    Ok(probe.as_file().metadata()?.uid())
}

/// User and group for the server; `None` if this process's own will do.
fn account() -> Result<Option<(u32, u32)>> {
    if own_user()? != 0 {
        return Ok(None);
    }
    let id = |flag: &str, user: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, user]).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let found = UNPRIVILEGED.iter().find_map(|user| Some((id("-u", user)?, id("-g", user)?)));
    found.map(Some).context("Postgres does not run as root, and there is no user `postgres` or `nobody` to run it as")
}

fn blocking<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Whether the server takes connections.
pub(super) fn answers(url: &str) -> Result<bool> {
    blocking(async {
        match super::connect(url).await {
            Ok(connection) => Ok(sqlx::Connection::close(connection).await.is_ok()),
            Err(_) => Ok(false),
        }
    })
}

/// Databases of tests that were killed.
fn drop_leftovers(url: &str) -> Result<()> {
    blocking(async {
        let mut connection = super::connect(url).await?;
        let names: Vec<String> =
            sqlx::query_scalar("select datname::text from pg_database where starts_with(datname, $1)")
                .bind(super::PREFIX)
                .fetch_all(&mut connection)
                .await?;
        for name in names {
            sqlx::query(AssertSqlSafe(format!("drop database {name}"))).execute(&mut connection).await?;
        }
        Ok(sqlx::Connection::close(connection).await?)
    })
}
