//! The outbox, the local catalog and the workers.

use std::time::Duration;

use asl::Timestamp;
use sqlx::{PgConnection, PgPool};

use super::super::catalog::merged;
use super::super::row::{self, millis};
use super::super::{CrawlTable, NewOutboxMessage, OutboxMessage, OutboxSettlement, Result, WorkerRecord};
use super::commit::put_outbox;
use super::connection::Connections;
use super::row::by_waiting;
use super::{instant, text, text_or_null, unavailable};

pub(super) async fn claim_outbox(claims: &Connections, limit: u32, reserve: Duration) -> Result<Vec<OutboxMessage>> {
    let failed = unavailable("claim messages");
    let mut line = claims.take().await.map_err(&failed)?;
    let rows = sqlx::query(include_str!("sql/claim_outbox.sql"))
        .bind(i64::from(limit))
        .bind(millis(reserve))
        .fetch_all(line.get())
        .await
        .map_err(&failed)?;
    line.give_back();
    by_waiting(rows)?.iter().map(row::outbox).collect()
}

pub(super) async fn post(pool: &PgPool, messages: &[NewOutboxMessage]) -> Result<()> {
    let mut connection = pool.acquire().await.map_err(unavailable("post messages"))?;
    put_outbox(&mut connection, messages).await
}

pub(super) async fn settle_outbox(pool: &PgPool, settlements: &[OutboxSettlement]) -> Result<()> {
    sqlx::query(
        "update outbox
         set
             delivery = new.delivery,
             note = new.note,
             attempts = outbox.attempts + 1,
             due_at = statement_timestamp() + new.pause_ms * interval '1 millisecond'
         from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) as new (id, delivery, note, pause_ms)
         where outbox.id = new.id",
    )
    .bind(settlements.iter().map(|settlement| settlement.id).collect::<Vec<_>>())
    .bind(settlements.iter().map(|settlement| settlement.delivery.as_str()).collect::<Vec<_>>())
    .bind(settlements.iter().map(|settlement| text_or_null(settlement.note.as_ref())).collect::<Vec<_>>())
    .bind(settlements.iter().map(row::pause_ms).collect::<Vec<_>>())
    .execute(pool)
    .await
    .map_err(unavailable("settle messages"))?;
    Ok(())
}

pub(super) async fn outbox(pool: &PgPool, limit: u32) -> Result<Vec<OutboxMessage>> {
    let rows = sqlx::query("select * from outbox order by created_at desc, id desc limit $1")
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(unavailable("read messages"))?;
    rows.iter().map(row::outbox).collect()
}

pub(super) async fn merge_tables(pool: &PgPool, tables: &[CrawlTable]) -> Result<()> {
    let failed = unavailable("keep tables");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    // A row that is not there cannot be locked: two jobs that register one table at once would lose a partition.
    sqlx::query("lock table crawl_table in share row exclusive mode")
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    for table in tables {
        let old = sqlx::query("select * from crawl_table where database = $1 and name = $2")
            .bind(text(&table.database))
            .bind(text(&table.name))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(&failed)?;
        let old = old.as_ref().map(row::crawl_table).transpose()?;
        put_tables_in(&mut transaction, std::iter::once(&merged(old.as_ref(), table))).await?;
    }
    transaction.commit().await.map_err(failed)
}

pub(super) async fn put_tables_in<'a>(
    connection: &mut PgConnection,
    tables: impl Iterator<Item = &'a CrawlTable> + Send,
) -> Result<()> {
    let tables: Vec<&CrawlTable> = tables.collect();
    if tables.is_empty() {
        return Ok(());
    }
    fn column<T>(tables: &[&CrawlTable], value: impl Fn(&CrawlTable) -> T) -> Vec<T> {
        tables.iter().map(|table| value(table)).collect()
    }
    sqlx::query(include_str!("sql/put_tables.sql"))
        .bind(column(&tables, |table| text(&table.database)))
        .bind(column(&tables, |table| text(&table.name)))
        .bind(column(&tables, |table| text(&table.location)))
        .bind(column(&tables, |table| table.columns.to_string()))
        .bind(column(&tables, |table| table.partition_keys.to_string()))
        .bind(column(&tables, |table| table.partitions.to_string()))
        .bind(column(&tables, |table| text(&table.crawler)))
        .bind(column(&tables, |table| instant(table.updated_at)))
        .execute(connection)
        .await
        .map_err(unavailable("keep tables"))?;
    Ok(())
}

pub(super) async fn tables(pool: &PgPool) -> Result<Vec<CrawlTable>> {
    let rows = sqlx::query("select * from crawl_table order by database, name")
        .fetch_all(pool)
        .await
        .map_err(unavailable("read tables"))?;
    rows.iter().map(row::crawl_table).collect()
}

pub(super) async fn put_worker(claims: &Connections, worker: &WorkerRecord) -> Result<()> {
    let failed = unavailable("keep a worker");
    let mut line = claims.take().await.map_err(&failed)?;
    sqlx::query(
        "insert into worker (name, about, seen_at) values ($1, $2, $3)
         on conflict (name) do update set about = excluded.about, seen_at = excluded.seen_at",
    )
    .bind(text(&worker.name))
    .bind(worker.about.to_string())
    .bind(instant(worker.seen_at))
    .execute(line.get())
    .await
    .map_err(&failed)?;
    line.give_back();
    Ok(())
}

pub(super) async fn workers(pool: &PgPool, since: Timestamp) -> Result<Vec<WorkerRecord>> {
    let rows = sqlx::query("select * from worker where seen_at >= $1 order by name")
        .bind(instant(since))
        .fetch_all(pool)
        .await
        .map_err(unavailable("read workers"))?;
    rows.iter().map(row::worker).collect()
}
