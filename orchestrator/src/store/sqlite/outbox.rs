//! The outbox, the local catalog and the workers.

use std::time::Duration;

use asl::Timestamp;
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::super::catalog::merged;
use super::super::row::{self, millis};
use super::super::{CrawlTable, NewOutboxMessage, OutboxMessage, OutboxSettlement, Result, WorkerRecord};
use super::commit::send;
use super::{now, unavailable};

pub(super) async fn claim_outbox(
    readers: &SqlitePool,
    writer: &Mutex<SqliteConnection>,
    limit: u32,
    reserve: Duration,
) -> Result<Vec<OutboxMessage>> {
    let failed = unavailable("claim messages");
    let now = now();
    let due = "select * from outbox where delivery = 'PENDING' and due_at <= ? order by due_at, id limit ?";
    // A look that finds nothing waits for nobody.
    let any = sqlx::query(due).bind(now).bind(1).fetch_optional(readers).await.map_err(&failed)?;
    if any.is_none() {
        return Ok(Vec::new());
    }
    let mut writer = writer.lock().await;
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    let rows = sqlx::query(due).bind(now).bind(limit).fetch_all(&mut *transaction).await.map_err(&failed)?;
    let mut messages: Vec<OutboxMessage> = rows.iter().map(row::outbox).collect::<Result<_>>()?;
    for message in &mut messages {
        message.due_at = Timestamp::from_millis(now + millis(reserve));
        sqlx::query("update outbox set due_at = ? where id = ?")
            .bind(message.due_at.millis())
            .bind(message.id.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(messages)
}

pub(super) async fn post(writer: &mut SqliteConnection, messages: &[NewOutboxMessage]) -> Result<()> {
    let at = now();
    for message in messages {
        send(writer, message, at).await.map_err(unavailable("post messages"))?;
    }
    Ok(())
}

pub(super) async fn settle_outbox(writer: &mut SqliteConnection, settlements: &[OutboxSettlement]) -> Result<()> {
    let failed = unavailable("settle messages");
    let now = now();
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    for settlement in settlements {
        sqlx::query("update outbox set delivery = ?, note = ?, attempts = attempts + 1, due_at = ? where id = ?")
            .bind(settlement.delivery.as_str())
            .bind(settlement.note.clone())
            .bind(now + row::pause_ms(settlement))
            .bind(settlement.id.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)
}

pub(super) async fn outbox(pool: &SqlitePool, limit: u32) -> Result<Vec<OutboxMessage>> {
    let rows = sqlx::query("select * from outbox order by created_at desc, id desc limit ?")
        .bind(limit)
        .fetch_all(pool)
        .await
        .map_err(unavailable("read messages"))?;
    rows.iter().map(row::outbox).collect()
}

pub(super) async fn merge_tables(writer: &mut SqliteConnection, tables: &[CrawlTable]) -> Result<()> {
    let failed = unavailable("keep tables");
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    for table in tables {
        let old = sqlx::query("select * from crawl_table where database = ? and name = ?")
            .bind(table.database.clone())
            .bind(table.name.clone())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(&failed)?;
        let old = old.as_ref().map(row::crawl_table).transpose()?;
        put_tables_in(&mut transaction, std::iter::once(&merged(old.as_ref(), table))).await?;
    }
    transaction.commit().await.map_err(failed)
}

pub(super) async fn put_tables_in<'a>(
    connection: &mut SqliteConnection,
    tables: impl Iterator<Item = &'a CrawlTable> + Send,
) -> Result<()> {
    for table in tables {
        sqlx::query(include_str!("sql/put_table.sql"))
            .bind(table.database.clone())
            .bind(table.name.clone())
            .bind(table.location.clone())
            .bind(table.columns.to_string())
            .bind(table.partition_keys.to_string())
            .bind(table.partitions.to_string())
            .bind(table.crawler.clone())
            .bind(table.updated_at.millis())
            .execute(&mut *connection)
            .await
            .map_err(unavailable("keep tables"))?;
    }
    Ok(())
}

pub(super) async fn tables(pool: &SqlitePool) -> Result<Vec<CrawlTable>> {
    let rows = sqlx::query("select * from crawl_table order by database, name")
        .fetch_all(pool)
        .await
        .map_err(unavailable("read tables"))?;
    rows.iter().map(row::crawl_table).collect()
}

pub(super) async fn put_worker(writer: &mut SqliteConnection, worker: &WorkerRecord) -> Result<()> {
    sqlx::query(
        "insert into worker (name, about, seen_at) values (?, ?, ?)
         on conflict (name) do update set about = excluded.about, seen_at = excluded.seen_at",
    )
    .bind(worker.name.clone())
    .bind(worker.about.to_string())
    .bind(worker.seen_at.millis())
    .execute(writer)
    .await
    .map_err(unavailable("keep a worker"))?;
    Ok(())
}

pub(super) async fn workers(pool: &SqlitePool, since: Timestamp) -> Result<Vec<WorkerRecord>> {
    let rows = sqlx::query("select * from worker where seen_at >= ? order by name")
        .bind(since.millis())
        .fetch_all(pool)
        .await
        .map_err(unavailable("read workers"))?;
    rows.iter().map(row::worker).collect()
}
