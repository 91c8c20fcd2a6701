//! The lock of the data folder and the connections to the file in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};

use super::super::{Error, Result, schema};

/// The database in the data folder.
const FILE: &str = "stepwell.db";
/// Locked as long as a process owns the folder; holds that process's id for people.
const LOCK_FILE: &str = "stepwell.lock";
/// Readers of the dashboard and the API; more would wait for the same two or four cores.
const READERS_MAX: u32 = 4;
/// How long a connection waits for the file, which only a backup tool can hold.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The data folder is this process's as long as this lives. The system releases it when the process dies.
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        let refused = |error: std::io::Error| {
            Error::Open(format!("cannot use the data folder `{shown}`: {error}; choose another one or its owner"))
        };
        std::fs::create_dir_all(folder).map_err(refused)?;
        let path = folder.join(LOCK_FILE);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // The id is a courtesy: without it the message is still right.
                let _ = file.read_to_string(&mut owner);
                let owner = owner.trim();
                let owner = if owner.is_empty() { "another process" } else { owner };
                return Err(Error::Open(format!(
                    "the data folder `{shown}` is in use by {owner}; stop it, or choose another folder"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(refused)?;
        write!(file, "process {}", std::process::id()).map_err(refused)?;
        Ok(Self { _file: file })
    }
}

fn options(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join(FILE))
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was answered survives the loss of power.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .pragma("temp_store", "memory")
        // After a burst the log file shrinks again.
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

fn cannot_open(folder: &Path, error: impl std::fmt::Display) -> Error {
    Error::Open(format!(
        "cannot open the database `{}`: {error}; check that the disk is writable and not full. A database that a newer \
         Stepwell has used needs that version",
        folder.join(FILE).display()
    ))
}

/// The connection that writes, with the schema brought up to date.
pub(super) async fn writer(folder: &Path) -> Result<SqliteConnection> {
    let options = options(folder).create_if_missing(true);
    let mut connection = options.connect().await.map_err(|error| cannot_open(folder, error))?;
    schema::sqlite().run_direct(None, &mut connection, false).await.map_err(|error| cannot_open(folder, error))?;
    Ok(connection)
}

/// The connections that read.
pub(super) async fn readers(folder: &Path) -> Result<SqlitePool> {
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .test_before_acquire(false)
        .connect_with(options(folder).read_only(true))
        .await
        .map_err(|error| cannot_open(folder, error))
}
