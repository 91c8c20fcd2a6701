//! Connections: how they are made, what they are set to, and what to do when they cannot be made.

use std::str::FromStr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::{Error, Result, schema};
use super::PostgresSettings;

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

/// Plans are kept, because making one takes longer than running it; but not for long at first: what is right for an empty
/// table (any index will do) is wrong for the table a second of work later.
const PLANS_LAST_MIN: Duration = Duration::from_secs(1);
/// How long plans are kept in the end.
const PLANS_LAST_MAX: Duration = Duration::from_secs(60);
/// After such a pause a connection is tried before it is used.
const PING_AFTER: Duration = Duration::from_secs(2);

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
    // Not through the pool: that would try again for a while before it says that there is nobody.
    let connected = tokio::time::timeout(settings.acquire_timeout, options.connect()).await;
    let connected = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let mut first = connected.map_err(|error| cannot_connect(options, &error))?;
    let version: String = sqlx::query_scalar("show server_version_num")
        .fetch_one(&mut first)
        .await
        .map_err(|error| cannot_connect(options, &error))?;
    first.close().await.map_err(|error| cannot_connect(options, &error))?;
    if version.parse::<i32>().is_ok_and(|version| version < VERSION_MIN) {
        return Err(Error::Open(format!(
            "the Postgres server at {} has version number {version}; Stepwell needs 15 ({VERSION_MIN}) or newer",
            place(options)
        )));
    }
    let pool =
        PgPoolOptions::new().max_connections(settings.query_connections).acquire_timeout(settings.acquire_timeout);
    Ok(pool.connect_lazy_with(options.clone()))
}

/// Brings the schema up to date.
pub(super) async fn migrate(pool: &PgPool) -> Result<()> {
    schema::postgres().run(pool).await.map_err(|error| {
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

/// The engine's connections. They are taken and given back without the checks of a pool, because each check is a
/// round trip; one that was in use when something went wrong is not given back.
pub(super) struct Connections {
    options: PgConnectOptions,
    idle: Mutex<Vec<Line>>,
    permits: Semaphore,
    connect_timeout: Duration,
}

/// A connection with what has to be known of it.
struct Line {
    connection: PgConnection,
    used_at: Instant,
    /// When its plans are made anew, and how long those then last.
    plans_until: Instant,
    plans_last: Duration,
}

/// A connection in use.
pub(super) struct Borrowed<'a> {
    owner: &'a Connections,
    line: Option<Line>,
    _permit: SemaphorePermit<'a>,
}

impl Connections {
    /// Connections that wait for the disk, for commits.
    pub(super) fn durable(options: &PgConnectOptions, settings: &PostgresSettings) -> Self {
        Self::new(options, settings, settings.commit_connections, "on")
    }

    /// Connections that do not. The crash of a server may forget the last of what they did: a reservation or a sign of
    /// life is simply repeated.
    pub(super) fn hasty(options: &PgConnectOptions, settings: &PostgresSettings) -> Self {
        Self::new(options, settings, settings.claim_connections, "off")
    }

    fn new(options: &PgConnectOptions, settings: &PostgresSettings, count: usize, synchronous_commit: &str) -> Self {
        let options = options.clone().options(INDEXES_ONLY).options([("synchronous_commit", synchronous_commit)]);
        let connect_timeout = settings.acquire_timeout;
        Self { options, idle: Mutex::default(), permits: Semaphore::new(count), connect_timeout }
    }

    /// A connection for one piece of work.
    pub(super) async fn take(&self) -> sqlx::Result<Borrowed<'_>> {
        let permit = self.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle.lock().pop();
        let line = match idle {
            Some(line) => match line.refreshed().await {
                Ok(line) => line,
                Err(_) => {
                    // The server went away meanwhile, and the other idle connections with it.
                    self.idle.lock().clear();
                    self.connect().await?
                }
            },
            None => self.connect().await?,
        };
        Ok(Borrowed { owner: self, line: Some(line), _permit: permit })
    }

    async fn connect(&self) -> sqlx::Result<Line> {
        let connected = tokio::time::timeout(self.connect_timeout, self.options.connect()).await;
        let connection = connected.map_err(|_| sqlx::Error::PoolTimedOut)??;
        let now = Instant::now();
        Ok(Line { connection, used_at: now, plans_until: now + PLANS_LAST_MIN, plans_last: PLANS_LAST_MIN })
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for line in idle {
            // A connection that breaks while it is closed is closed.
            let _ = line.connection.close().await;
        }
    }
}

impl Line {
    /// This connection, known to be alive and with plans that are not too old.
    async fn refreshed(mut self) -> sqlx::Result<Self> {
        let now = Instant::now();
        if now >= self.plans_until {
            self.connection.execute("discard plans").await?;
            self.plans_last = (self.plans_last * 2).min(PLANS_LAST_MAX);
            self.plans_until = now + self.plans_last;
        } else if now.duration_since(self.used_at) > PING_AFTER {
            self.connection.ping().await?;
        }
        Ok(self)
    }
}

impl Borrowed<'_> {
    /// The connection.
    pub(super) fn get(&mut self) -> &mut PgConnection {
        &mut self.line.as_mut().expect("it is there until it is given back").connection
    }

    /// Gives the connection back: everything sent on it was answered.
    pub(super) fn give_back(mut self) {
        if let Some(mut line) = self.line.take() {
            line.used_at = Instant::now();
            self.owner.idle.lock().push(line);
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        // Something went wrong on this one; if the server went away, the others are of no use either.
        if self.line.is_some() {
            self.owner.idle.lock().clear();
        }
    }
}
