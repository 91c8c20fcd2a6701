//! Databases for tests: a private Postgres server that all test processes of a user share, and one database per test.
//!
//! `DATABASE_URL` names a server to use instead. No Postgres at all is an error that says what to install: a test
//! that was skipped proves nothing.

mod own;
mod server;

use std::str::FromStr;

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

pub use own::OwnServer;

/// What the names of test databases begin with; what is left of them is dropped when the private server starts.
const PREFIX: &str = "stepwell_test_";

/// An empty database of its own; dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its address, for [`super::open`], `--database-url` or `DATABASE_URL`.
    pub url: String,
    name: String,
    server: String,
}

/// An empty database on the shared private server, or on the one `DATABASE_URL` names.
///
/// # Errors
/// If there is neither, or the server does not start; the text says what to do.
pub async fn postgres() -> Result<TestDatabase> {
    let server = match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => tokio::task::spawn_blocking(server::shared).await.context("the starter of Postgres panicked")??,
    };
    let name = format!("{PREFIX}{}", Uuid::new_v4().simple());
    let mut connection = connect(&server).await?;
    let create = format!("create database {name}");
    sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await.context("cannot create a test database")?;
    connection.close().await?;
    let mut url = url::Url::parse(&server).context("DATABASE_URL is no URL")?;
    url.set_path(&name);
    Ok(TestDatabase { url: url.into(), name, server })
}

impl TestDatabase {
    /// Cuts every connection to the database, as a restart of the server would.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn disconnect_all(&self) -> Result<()> {
        let mut connection = connect(&self.server).await?;
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            .bind(&self.name)
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A drop cannot wait for the runtime it may be in. What cannot be dropped here goes when the server starts
        // the next time.
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = connect(&server).await?;
                let statement = format!("drop database if exists {name} with (force)");
                sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
                Ok(connection.close().await?)
            })
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            tracing::debug!(database = self.name, "A test database was left behind");
        }
    }
}

async fn connect(url: &str) -> Result<PgConnection> {
    let options = PgConnectOptions::from_str(url).context("DATABASE_URL is no Postgres URL")?;
    options.disable_statement_logging().connect().await.context("cannot connect to the Postgres server for tests")
}
