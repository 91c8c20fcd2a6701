//! Connections: how they are made, what they are set to, and what to do when they cannot be made.

use std::str::FromStr;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::{Error, Result};
use super::PostgresSettings;

/// The schema.
pub(super) static MIGRATOR: Migrator = sqlx::migrate!("../migrations/postgres");

/// `server_version_num` of Postgres 15.
const VERSION_MIN: i32 = 150_000;

/// The engine's statements walk indexes, whatever the statistics say: its tables are empty at first and grow by
/// thousands of rows before Postgres looks at them again, and a plan made for an empty table is a scan.
const INDEXES_ONLY: [(&str, &str); 6] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// The connection options in `url`.
pub(super) fn options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        Error::Open(format!(
            "the database address is no Postgres URL (postgres://user:password@host:5432/name): {error}"
        ))
    })?;
    Ok(options.application_name("stepwell").disable_statement_logging())
}

/// The connections of the API and the dashboard; fails unless the server answers now.
pub(super) async fn query_pool(options: &PgConnectOptions, settings: &PostgresSettings) -> Result<PgPool> {
    let pool = PgPoolOptions::new()
        .max_connections(settings.query_connections)
        .acquire_timeout(settings.acquire_timeout)
        .connect_with(options.clone())
        .await
        .map_err(|error| cannot_connect(options, &error))?;
    let version: String = sqlx::query_scalar("show server_version_num")
        .fetch_one(&pool)
        .await
        .map_err(|error| cannot_connect(options, &error))?;
    if version.parse::<i32>().is_ok_and(|version| version < VERSION_MIN) {
        return Err(Error::Open(format!(
            "the Postgres server at {} has version number {version}; Stepwell needs 15 ({VERSION_MIN}) or newer",
            place(options)
        )));
    }
    Ok(pool)
}

/// The connections of claims. The crash of a server may forget the last of them: a reservation or a sign of life is
/// simply repeated, so nobody waits for the disk.
pub(super) fn claim_pool(options: &PgConnectOptions, settings: &PostgresSettings) -> PgPool {
    let options = options.clone().options(INDEXES_ONLY).options([("synchronous_commit", "off")]);
    PgPoolOptions::new()
        .max_connections(settings.claim_connections)
        .acquire_timeout(settings.acquire_timeout)
        // A claim is one round trip; the check before it is a second one, made only after a pause.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > Duration::from_secs(1) {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

/// Brings the schema up to date.
pub(super) async fn migrate(pool: &PgPool) -> Result<()> {
    MIGRATOR.run(pool).await.map_err(|error| {
        Error::Open(format!(
            "the schema of the database cannot be brought up to date: {error}. The user needs the right to create \
             tables, and a database that a newer Stepwell has used needs that version"
        ))
    })
}

fn place(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
    format!("{host}:{}", options.get_port())
}

pub(super) fn cannot_connect(options: &PgConnectOptions, error: &sqlx::Error) -> Error {
    let remedy = match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => "check that the server runs and the address is right",
        sqlx::Error::Tls(_) => "check `sslmode` and `sslrootcert` in the address",
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("28P01" | "28000") => "check user and password in the address and pg_hba.conf of the server",
            Some("3D000") => "create it with `createdb`, or name another one in the address",
            Some("53300") => "raise `max_connections` of the server or run fewer nodes",
            Some("57P03") => "the server is starting; try again in a moment",
            _ => "see the log of the server",
        },
        _ => "check the address",
    };
    Error::Open(format!(
        "cannot connect to Postgres at {} (database `{}`, user `{}`): {error}; {remedy}",
        place(options),
        options.get_database().unwrap_or_else(|| options.get_username()),
        options.get_username(),
    ))
}

/// The connections of commits. They are taken and given back without the checks of a pool, because each check is a
/// round trip; a connection that was in use when something went wrong is not given back.
pub(super) struct Committers {
    options: PgConnectOptions,
    idle: Mutex<Vec<PgConnection>>,
    permits: Semaphore,
}

/// A connection for one commit.
pub(super) struct Committer<'a> {
    owner: &'a Committers,
    /// The connection.
    pub connection: PgConnection,
    _permit: SemaphorePermit<'a>,
}

impl Committers {
    pub(super) fn new(options: &PgConnectOptions, count: usize) -> Self {
        let options = options.clone().options(INDEXES_ONLY).options([("synchronous_commit", "on")]);
        Self { options, idle: Mutex::default(), permits: Semaphore::new(count) }
    }

    pub(super) async fn take(&self) -> sqlx::Result<Committer<'_>> {
        let permit = self.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Committer { owner: self, connection, _permit: permit })
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for connection in idle {
            // A connection that breaks while it is closed is closed.
            let _ = connection.close().await;
        }
    }
}

impl Committer<'_> {
    /// Gives the connection back: everything sent on it was answered.
    pub(super) fn give_back(self) {
        self.owner.idle.lock().push(self.connection);
    }
}
