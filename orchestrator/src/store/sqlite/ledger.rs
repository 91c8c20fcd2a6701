//! Pipelines and the ledger.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::super::row;
use super::super::{LedgerChange, LedgerRow, PipelineRecord, Result, ledger};
use super::unavailable;

pub(super) async fn put_pipeline(writer: &mut SqliteConnection, pipeline: &PipelineRecord) -> Result<()> {
    sqlx::query(
        "insert into pipeline (name, state_machine_arn, sheet, updated_at) values (?, ?, ?, ?)
         on conflict (name) do update
         set state_machine_arn = excluded.state_machine_arn, sheet = excluded.sheet, updated_at = excluded.updated_at",
    )
    .bind(pipeline.name.clone())
    .bind(pipeline.state_machine_arn.clone())
    .bind(pipeline.sheet.clone())
    .bind(pipeline.updated_at.millis())
    .execute(writer)
    .await
    .map_err(unavailable("keep a pipeline"))?;
    Ok(())
}

pub(super) async fn pipelines(pool: &SqlitePool) -> Result<Vec<PipelineRecord>> {
    let rows = sqlx::query("select * from pipeline order by name")
        .fetch_all(pool)
        .await
        .map_err(unavailable("read pipelines"))?;
    rows.iter().map(row::pipeline).collect()
}

pub(super) async fn ledger(pool: &SqlitePool, pipeline: &str, from: &str, to: &str) -> Result<Vec<LedgerRow>> {
    let rows =
        sqlx::query("select * from ledger where pipeline = ? and partition >= ? and partition <= ? order by partition")
            .bind(pipeline.to_owned())
            .bind(from.to_owned())
            .bind(to.to_owned())
            .fetch_all(pool)
            .await
            .map_err(unavailable("read the ledger"))?;
    rows.iter().map(row::ledger).collect()
}

pub(super) async fn ledger_newest(pool: &SqlitePool, pipeline: &str, limit: u32) -> Result<Vec<LedgerRow>> {
    let rows = sqlx::query("select * from ledger where pipeline = ? order by partition desc limit ?")
        .bind(pipeline.to_owned())
        .bind(limit)
        .fetch_all(pool)
        .await
        .map_err(unavailable("read the ledger"))?;
    rows.iter().rev().map(row::ledger).collect()
}

pub(super) async fn queued_runs(pool: &SqlitePool) -> Result<Vec<LedgerRow>> {
    let rows = sqlx::query("select * from ledger where queued is not null order by pipeline, partition")
        .fetch_all(pool)
        .await
        .map_err(unavailable("read queued runs"))?;
    rows.iter().map(row::ledger).collect()
}

pub(super) async fn change_ledger(writer: &mut SqliteConnection, changes: &[LedgerChange]) -> Result<()> {
    let failed = unavailable("change the ledger");
    let keys: BTreeSet<_> = changes.iter().map(ledger::key).collect();
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    let mut rows = rows(&mut transaction, &keys).await?;
    for change in changes {
        let key = ledger::key(change);
        if let Some(row) = ledger::apply(rows.get(&key), change) {
            rows.insert(key, row);
        }
    }
    put(&mut transaction, rows.values()).await?;
    transaction.commit().await.map_err(failed)
}

pub(super) async fn rows(
    connection: &mut SqliteConnection,
    keys: &BTreeSet<ledger::Key>,
) -> Result<BTreeMap<ledger::Key, LedgerRow>> {
    let mut rows = BTreeMap::new();
    for key in keys {
        let found = sqlx::query("select * from ledger where pipeline = ? and partition = ?")
            .bind(key.0.clone())
            .bind(key.1.clone())
            .fetch_optional(&mut *connection)
            .await
            .map_err(unavailable("read the ledger"))?;
        if let Some(found) = found {
            rows.insert(key.clone(), row::ledger(&found)?);
        }
    }
    Ok(rows)
}

pub(super) async fn put<'a>(
    connection: &mut SqliteConnection,
    rows: impl Iterator<Item = &'a LedgerRow> + Send,
) -> Result<()> {
    for kept in rows {
        sqlx::query(include_str!("sql/put_ledger.sql"))
            .bind(kept.pipeline.clone())
            .bind(kept.partition.clone())
            .bind(kept.outcome.as_str())
            .bind(kept.reason.clone())
            .bind(kept.execution.to_string())
            .bind(kept.execution_arn.clone())
            .bind(kept.rows)
            .bind(kept.bytes)
            .bind(kept.files)
            .bind(kept.quality.to_string())
            .bind(kept.started_at.millis())
            .bind(kept.ended_at.map(asl::Timestamp::millis))
            .bind(row::json_text(kept.earlier.as_ref()))
            .bind(row::json_text(kept.queued.as_ref()))
            .execute(&mut *connection)
            .await
            .map_err(unavailable("change the ledger"))?;
    }
    Ok(())
}
