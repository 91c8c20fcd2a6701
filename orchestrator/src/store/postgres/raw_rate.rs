//! How fast a Postgres server can commit at all: the limit that the engine's figures are compared with.

use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};

use super::super::{Error, Result};
use super::connection;

/// What the server did in the given time.
#[derive(Clone, Copy, Debug)]
pub struct RawRate {
    /// Rows in one transaction.
    pub batch_rows: u32,
    /// Durable transactions per second.
    pub commits_per_second: f64,
    /// Rows per second.
    pub rows_per_second: f64,
}

/// Inserts batches of small rows like the journal's, one durable transaction after the other on one connection, for
/// `seconds`, and drops the table again.
///
/// # Errors
/// [`Error::Open`] if the server cannot be reached, [`Error::Unavailable`] if it refuses.
pub async fn raw_group_commit_rate(url: &str, batch_rows: u32, seconds: u64) -> Result<RawRate> {
    let failed = |source| Error::Unavailable { doing: "measure its commit rate", source };
    let options = connection::options(url)?;
    let mut connection = options.connect().await.map_err(|error| connection::cannot_connect(&options, &error))?;
    // A table for this connection only would not be written to the log: this one is, like the journal.
    let create = "create table raw_rate (execution_id uuid, first_event_id bigint, events text,
                  primary key (execution_id, first_event_id))";
    sqlx::query("drop table if exists raw_rate").execute(&mut connection).await.map_err(failed)?;
    sqlx::query(create).execute(&mut connection).await.map_err(failed)?;
    let ids = |n: u64| (0..batch_rows).map(move |row| uuid::Uuid::from_u128(u128::from(n) << 32 | u128::from(row)));
    let events: Vec<&str> = vec![r#"[{"id":1,"at":0,"frame":0,"kind":"raw"}]"#; batch_rows as usize];
    let (started, limit) = (Instant::now(), Duration::from_secs(seconds));
    let mut commits = 0;
    while started.elapsed() < limit {
        sqlx::query(
            "insert into raw_rate select id, 1, events from unnest($1::uuid[], $2::text[]) as new (id, events)",
        )
        .bind(ids(commits).collect::<Vec<_>>())
        .bind(&events)
        .execute(&mut connection)
        .await
        .map_err(failed)?;
        commits += 1;
    }
    let elapsed = started.elapsed().as_secs_f64();
    sqlx::query("drop table raw_rate").execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let commits_per_second = commits as f64 / elapsed;
    Ok(RawRate { batch_rows, commits_per_second, rows_per_second: commits_per_second * f64::from(batch_rows) })
}
