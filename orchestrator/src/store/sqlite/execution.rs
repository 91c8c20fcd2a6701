//! Executions, their histories, logs and reports.

use std::time::Duration;

use asl::{Event, EventId, TaskId, Timestamp};
use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::super::page::{self, Place};
use super::super::row::{self, millis, signed};
use super::super::{
    ExecutionFilter, ExecutionId, ExecutionRecord, ExecutionStatus, HistoryQuery, Loaded, LogLine, Page, Paged, Recent,
    ReportRecord, Result, SnapshotRecord,
};
use super::{now, unavailable};

pub(super) async fn load(pool: &SqlitePool, execution: ExecutionId) -> Result<Option<Loaded>> {
    let failed = unavailable("load an execution");
    // Both reads see one moment: the row and its journal fit together.
    let mut transaction = pool.begin().await.map_err(&failed)?;
    let found = sqlx::query("select * from execution where id = ?")
        .bind(execution.to_string())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&failed)?;
    let rows =
        sqlx::query("select events from journal where execution_id = ? order by first_public_id, first_event_id")
            .bind(execution.to_string())
            .fetch_all(&mut *transaction)
            .await
            .map_err(&failed)?;
    transaction.rollback().await.map_err(failed)?;
    let Some(found) = found else { return Ok(None) };
    let mut events = Vec::new();
    for row in &rows {
        events.extend(row::events(row)?);
    }
    Ok(Some(Loaded { record: row::execution(&found)?, events }))
}

pub(super) async fn load_recent(pool: &SqlitePool, execution: ExecutionId) -> Result<Option<Recent>> {
    let failed = unavailable("load an execution");
    // Both reads see one moment: the row and its journal fit together.
    let mut transaction = pool.begin().await.map_err(&failed)?;
    let found = sqlx::query(
        "select
             execution.*, snapshot.event_id as snapshot_event_id, snapshot.public_id as snapshot_public_id,
             snapshot.state as snapshot_state
         from execution left join snapshot on snapshot.execution_id = execution.id
         where execution.id = ?",
    )
    .bind(execution.to_string())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(&failed)?;
    let Some(found) = found else { return Ok(None) };
    let snapshot = row::snapshot(&found)?;
    let rows = sqlx::query(
        "select events from journal
         where execution_id = ? and first_public_id > ? and last_event_id > ?
         order by first_public_id, first_event_id",
    )
    .bind(execution.to_string())
    .bind(snapshot.as_ref().map_or(-1, |snapshot| signed(snapshot.public)))
    .bind(snapshot.as_ref().map_or(0, |snapshot| signed(snapshot.event)))
    .fetch_all(&mut *transaction)
    .await
    .map_err(&failed)?;
    transaction.rollback().await.map_err(failed)?;
    let mut events = Vec::new();
    for row in &rows {
        events.extend(row::events(row)?);
    }
    Ok(Some(Recent { record: row::execution(&found)?, snapshot, events }))
}

pub(super) async fn put_snapshot(
    writer: &mut SqliteConnection,
    execution: ExecutionId,
    snapshot: &SnapshotRecord,
) -> Result<()> {
    sqlx::query(
        "insert into snapshot (execution_id, event_id, public_id, state) values (?, ?, ?, ?)
         on conflict (execution_id) do update
         set event_id = excluded.event_id, public_id = excluded.public_id, state = excluded.state
         where snapshot.event_id < excluded.event_id",
    )
    .bind(execution.to_string())
    .bind(signed(snapshot.event))
    .bind(signed(snapshot.public))
    .bind(snapshot.state.clone())
    .execute(writer)
    .await
    .map_err(unavailable("keep a snapshot"))?;
    Ok(())
}

pub(super) async fn execution(pool: &SqlitePool, arn: &str) -> Result<Option<ExecutionRecord>> {
    let found = sqlx::query("select * from execution where arn = ?")
        .bind(arn.to_owned())
        .fetch_optional(pool)
        .await
        .map_err(unavailable("read an execution"))?;
    found.as_ref().map(row::execution).transpose()
}

pub(super) async fn execution_by_id(pool: &SqlitePool, id: ExecutionId) -> Result<Option<ExecutionRecord>> {
    let found = sqlx::query("select * from execution where id = ?")
        .bind(id.to_string())
        .fetch_optional(pool)
        .await
        .map_err(unavailable("read an execution"))?;
    found.as_ref().map(row::execution).transpose()
}

pub(super) async fn list_executions(
    pool: &SqlitePool,
    filter: &ExecutionFilter,
    page: &Page,
) -> Result<Paged<ExecutionRecord>> {
    let mut query = QueryBuilder::<Sqlite>::new("select * from execution where true");
    if let Some(arn) = &filter.state_machine_arn {
        query.push(" and state_machine_arn = ").push_bind(arn.clone());
    }
    if let Some(statuses) = page::statuses(filter) {
        // Literals, so that the partial indexes are seen to fit.
        query.push(" and status ").push(statuses);
        let has_ended_well = |status| matches!(status, &ExecutionStatus::Running | &ExecutionStatus::Succeeded);
        if !filter.statuses.iter().any(has_ended_well) {
            // The condition of `execution_unsuccessful` itself: SQLite does not conclude it from the one above.
            query.push(" and status in ('FAILED', 'TIMED_OUT', 'ABORTED')");
        }
    }
    if let Some(since) = filter.stopped_since {
        query.push(" and stopped_at >= ").push_bind(since.millis());
    }
    if let Some(pipeline) = &filter.pipeline {
        query.push(" and pipeline = ").push_bind(pipeline.clone());
    }
    if let Some(partition) = &filter.partition {
        query.push(" and partition = ").push_bind(partition.clone());
    }
    if filter.alone {
        query.push(" and pipeline is null");
    }
    if let Some(place) = page::place(page)? {
        let id = page::id(page, &place)?;
        query.push(" and (started_at, id) < (").push_bind(place.at.millis()).push(", ");
        query.push_bind(id.to_string()).push(")");
    }
    query.push(" order by started_at desc, id desc limit ").push_bind(page::limit(page) as i64 + 1);
    let rows = query.build().fetch_all(pool).await.map_err(unavailable("list executions"))?;
    let items = rows.iter().map(row::execution).collect::<Result<_>>()?;
    Ok(page::cut(items, page, |record| Place { at: record.started_at, key: record.id.to_string() }))
}

pub(super) async fn history(pool: &SqlitePool, execution: ExecutionId, query: &HistoryQuery) -> Result<Vec<Event>> {
    let mut last_public_id: EventId = 0;
    if query.reverse && query.after.is_none() {
        let last: Option<i64> = sqlx::query_scalar("select last_public_id from execution where id = ?")
            .bind(execution.to_string())
            .fetch_optional(pool)
            .await
            .map_err(unavailable("read a history"))?;
        last_public_id = last.map_or(0, i64::unsigned_abs);
    }
    let (first, last) = page::history_range(query, last_public_id);
    let rows = sqlx::query(include_str!("sql/history.sql"))
        .bind(execution.to_string())
        .bind(signed(first))
        .bind(signed(last))
        .fetch_all(pool)
        .await
        .map_err(unavailable("read a history"))?;
    let rows: Vec<_> = rows.iter().map(row::events).collect::<Result<_>>()?;
    Ok(page::history(query, first, last, rows))
}

pub(super) async fn count_executions(pool: &SqlitePool, since: Timestamp) -> Result<Vec<(ExecutionStatus, u64)>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select status, count(*) from execution where status = 'RUNNING' group by status
         union all
         select status, count(*) from execution where stopped_at >= ? group by status",
    )
    .bind(since.millis())
    .fetch_all(pool)
    .await
    .map_err(unavailable("count executions"))?;
    row::status_counts(rows)
}

pub(super) async fn stalled(pool: &SqlitePool, idle: Duration, limit: u32) -> Result<Vec<ExecutionId>> {
    let ids: Vec<String> = sqlx::query_scalar(include_str!("sql/stalled.sql"))
        .bind(now() - millis(idle))
        .bind(limit)
        .fetch_all(pool)
        .await
        .map_err(unavailable("look for stalled executions"))?;
    ids.iter().map(|id| id.parse().map_err(|error| row::corrupt("id", error))).collect()
}

pub(super) async fn append_log(
    writer: &mut SqliteConnection,
    execution: ExecutionId,
    task: TaskId,
    lines: &[LogLine],
) -> Result<()> {
    let failed = unavailable("keep log lines");
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    for line in lines {
        sqlx::query(
            "insert into log_line (execution_id, number, task_id, at, stream, text)
             values (?1, (select coalesce(max(number), 0) + 1 from log_line where execution_id = ?1), ?2, ?3, ?4, ?5)",
        )
        .bind(execution.to_string())
        .bind(signed(task.0))
        .bind(line.at.millis())
        .bind(line.stream.clone())
        .bind(line.text.clone())
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)
}

pub(super) async fn log(
    pool: &SqlitePool,
    execution: ExecutionId,
    task: Option<TaskId>,
    after: i64,
    limit: u32,
) -> Result<Vec<LogLine>> {
    let mut query = QueryBuilder::<Sqlite>::new("select * from log_line where execution_id = ");
    query.push_bind(execution.to_string()).push(" and number > ").push_bind(after);
    if let Some(task) = task {
        query.push(" and task_id = ").push_bind(signed(task.0));
    }
    query.push(" order by number limit ").push_bind(limit);
    let rows = query.build().fetch_all(pool).await.map_err(unavailable("read a log"))?;
    rows.iter().map(row::log_line).collect()
}

pub(super) async fn put_report(writer: &mut SqliteConnection, report: &ReportRecord) -> Result<()> {
    sqlx::query(
        "insert into report (execution_id, task_id, state, report, at) values (?, ?, ?, ?, ?)
         on conflict (execution_id, task_id) do update
         set state = excluded.state, report = excluded.report, at = excluded.at",
    )
    .bind(report.execution.to_string())
    .bind(signed(report.task.0))
    .bind(report.state.clone())
    .bind(report.report.to_string())
    .bind(report.at.millis())
    .execute(writer)
    .await
    .map_err(unavailable("keep a report"))?;
    Ok(())
}

pub(super) async fn reports(pool: &SqlitePool, execution: ExecutionId) -> Result<Vec<ReportRecord>> {
    let rows = sqlx::query("select * from report where execution_id = ? order by at, task_id")
        .bind(execution.to_string())
        .fetch_all(pool)
        .await
        .map_err(unavailable("read reports"))?;
    rows.iter().map(row::report).collect()
}
