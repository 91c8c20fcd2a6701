//! Pipelines and the ledger.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::super::row;
use super::super::{Hint, LedgerChange, LedgerRow, PipelineRecord, Result, ledger};
use super::{hint, instant, text, text_or_null, unavailable};

pub(super) async fn put_pipeline(pool: &PgPool, pipeline: &PipelineRecord) -> Result<()> {
    sqlx::query(
        "insert into pipeline (name, state_machine_arn, sheet, updated_at) values ($1, $2, $3, $4)
         on conflict (name) do update
         set state_machine_arn = excluded.state_machine_arn, sheet = excluded.sheet, updated_at = excluded.updated_at",
    )
    .bind(text(&pipeline.name))
    .bind(text(&pipeline.state_machine_arn))
    .bind(text(&pipeline.sheet))
    .bind(instant(pipeline.updated_at))
    .execute(pool)
    .await
    .map_err(unavailable("keep a pipeline"))?;
    Ok(())
}

pub(super) async fn pipelines(pool: &PgPool) -> Result<Vec<PipelineRecord>> {
    let rows = sqlx::query("select * from pipeline order by name")
        .fetch_all(pool)
        .await
        .map_err(unavailable("read pipelines"))?;
    rows.iter().map(row::pipeline).collect()
}

pub(super) async fn ledger(pool: &PgPool, pipeline: &str, from: &str, to: &str) -> Result<Vec<LedgerRow>> {
    let rows = sqlx::query(
        "select * from ledger where pipeline = $1 and partition >= $2 and partition <= $3 order by partition",
    )
    .bind(text(pipeline))
    .bind(text(from))
    .bind(text(to))
    .fetch_all(pool)
    .await
    .map_err(unavailable("read the ledger"))?;
    rows.iter().map(row::ledger).collect()
}

pub(super) async fn ledger_newest(pool: &PgPool, pipeline: &str, limit: u32) -> Result<Vec<LedgerRow>> {
    let rows = sqlx::query("select * from ledger where pipeline = $1 order by partition desc limit $2")
        .bind(text(pipeline))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(unavailable("read the ledger"))?;
    rows.iter().rev().map(row::ledger).collect()
}

pub(super) async fn queued_runs(pool: &PgPool) -> Result<Vec<LedgerRow>> {
    let rows = sqlx::query("select * from ledger where queued is not null order by pipeline, partition")
        .fetch_all(pool)
        .await
        .map_err(unavailable("read queued runs"))?;
    rows.iter().map(row::ledger).collect()
}

pub(super) async fn change_ledger(pool: &PgPool, node: Uuid, changes: &[LedgerChange]) -> Result<()> {
    let failed = unavailable("change the ledger");
    let keys: BTreeSet<_> = changes.iter().map(ledger::key).collect();
    let mut transaction = pool.begin().await.map_err(&failed)?;
    lock(&mut transaction, &keys).await?;
    let mut rows = rows(&mut transaction, &keys).await?;
    for change in changes {
        let key = ledger::key(change);
        if let Some(row) = ledger::apply(rows.get(&key), change) {
            rows.insert(key, row);
        }
    }
    put(&mut transaction, rows.values()).await?;
    for payload in hint::payloads(node, &[Hint::Page]) {
        sqlx::query("select pg_notify('stepwell', $1)")
            .bind(payload)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// Makes everybody else wait who wants to change these rows, the missing ones too, until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, keys: &BTreeSet<ledger::Key>) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let (pipelines, partitions) = columns(keys);
    sqlx::query(
        "select pg_advisory_xact_lock(key)
         from (
             select distinct hashtextextended('ledger ' || pipeline || ' ' || partition, 0) as key
             from unnest($1::text[], $2::text[]) as wanted (pipeline, partition)
             order by key
             offset 0
         ) as keys",
    )
    .bind(pipelines)
    .bind(partitions)
    .execute(connection)
    .await
    .map_err(unavailable("lock the ledger"))?;
    Ok(())
}

pub(super) async fn rows(
    connection: &mut PgConnection,
    keys: &BTreeSet<ledger::Key>,
) -> Result<BTreeMap<ledger::Key, LedgerRow>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (pipelines, partitions) = columns(keys);
    let rows = sqlx::query(
        "select ledger.* from unnest($1::text[], $2::text[]) as wanted (pipeline, partition)
         join ledger on ledger.pipeline = wanted.pipeline and ledger.partition = wanted.partition",
    )
    .bind(pipelines)
    .bind(partitions)
    .fetch_all(connection)
    .await
    .map_err(unavailable("read the ledger"))?;
    let rows = rows.iter().map(row::ledger);
    rows.map(|row| row.map(|row| ((row.pipeline.clone(), row.partition.clone()), row))).collect()
}

fn columns(keys: &BTreeSet<ledger::Key>) -> (Vec<String>, Vec<String>) {
    keys.iter().map(|(pipeline, partition)| (text(pipeline), text(partition))).unzip()
}

pub(super) async fn put<'a>(
    connection: &mut PgConnection,
    rows: impl Iterator<Item = &'a LedgerRow> + Send,
) -> Result<()> {
    let rows: Vec<&LedgerRow> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    fn column<T>(rows: &[&LedgerRow], value: impl Fn(&LedgerRow) -> T) -> Vec<T> {
        rows.iter().map(|row| value(row)).collect()
    }
    sqlx::query(include_str!("sql/put_ledger.sql"))
        .bind(column(&rows, |row| text(&row.pipeline)))
        .bind(column(&rows, |row| text(&row.partition)))
        .bind(column(&rows, |row| row.outcome.as_str()))
        .bind(column(&rows, |row| text_or_null(row.reason.as_ref())))
        .bind(column(&rows, |row| row.execution))
        .bind(column(&rows, |row| text(&row.execution_arn)))
        .bind(column(&rows, |row| row.rows))
        .bind(column(&rows, |row| row.bytes))
        .bind(column(&rows, |row| row.files))
        .bind(column(&rows, |row| row.quality.to_string()))
        .bind(column(&rows, |row| instant(row.started_at)))
        .bind(column(&rows, |row| row.ended_at.map(instant)))
        .bind(column(&rows, |row| text_or_null(row::json_text(row.earlier.as_ref()).as_ref())))
        .bind(column(&rows, |row| text_or_null(row::json_text(row.queued.as_ref()).as_ref())))
        .execute(connection)
        .await
        .map_err(unavailable("change the ledger"))?;
    Ok(())
}
