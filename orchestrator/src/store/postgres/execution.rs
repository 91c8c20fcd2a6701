//! Executions, their histories, logs and reports.

use std::time::Duration;

use asl::{Event, EventId, TaskId, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::{PgPool, QueryBuilder, Row};

use super::super::page::{self, Place};
use super::super::row::{self, millis, signed};
use super::super::{
    ExecutionFilter, ExecutionId, ExecutionRecord, ExecutionStatus, HistoryQuery, Loaded, LogLine, Page, Paged, Recent,
    ReportRecord, Result, SnapshotRecord,
};
use super::connection::Connections;
use super::{instant, text, unavailable};

pub(super) async fn load(pool: &PgPool, execution: ExecutionId) -> Result<Option<Loaded>> {
    // One statement sees one moment: the row and its journal fit together.
    let found = sqlx::query(
        "select
             execution.*,
             array(
                 select events from journal where execution_id = $1 order by first_public_id, first_event_id
             ) as journal
         from execution where id = $1",
    )
    .bind(execution)
    .fetch_optional(pool)
    .await
    .map_err(unavailable("load an execution"))?;
    let Some(found) = found else { return Ok(None) };
    let journal: Vec<String> = found.try_get("journal").map_err(|error| row::corrupt("journal", error))?;
    let mut events = Vec::new();
    for row in journal {
        events.extend(row::events_of(&row)?);
    }
    Ok(Some(Loaded { record: row::execution(&found)?, events }))
}

pub(super) async fn load_recent(pool: &PgPool, execution: ExecutionId) -> Result<Option<Recent>> {
    let found = sqlx::query(include_str!("sql/load_recent.sql"))
        .bind(execution)
        .fetch_optional(pool)
        .await
        .map_err(unavailable("load an execution"))?;
    let Some(found) = found else { return Ok(None) };
    let journal: Vec<String> = found.try_get("journal").map_err(|error| row::corrupt("journal", error))?;
    let mut events = Vec::new();
    for row in journal {
        events.extend(row::events_of(&row)?);
    }
    Ok(Some(Recent { record: row::execution(&found)?, snapshot: row::snapshot(&found)?, events }))
}

pub(super) async fn put_snapshot(
    claims: &Connections,
    execution: ExecutionId,
    snapshot: &SnapshotRecord,
) -> Result<()> {
    let failed = unavailable("keep a snapshot");
    let mut line = claims.take().await.map_err(&failed)?;
    sqlx::query(
        "insert into snapshot (execution_id, event_id, public_id, state) values ($1, $2, $3, $4)
         on conflict (execution_id) do update
         set event_id = excluded.event_id, public_id = excluded.public_id, state = excluded.state
         where snapshot.event_id < excluded.event_id",
    )
    .bind(execution)
    .bind(signed(snapshot.event))
    .bind(signed(snapshot.public))
    .bind(text(&snapshot.state))
    .execute(line.get())
    .await
    .map_err(&failed)?;
    line.give_back();
    Ok(())
}

pub(super) async fn execution(pool: &PgPool, arn: &str) -> Result<Option<ExecutionRecord>> {
    let found = sqlx::query("select * from execution where arn = $1")
        .bind(text(arn))
        .fetch_optional(pool)
        .await
        .map_err(unavailable("read an execution"))?;
    found.as_ref().map(row::execution).transpose()
}

pub(super) async fn execution_by_id(pool: &PgPool, id: ExecutionId) -> Result<Option<ExecutionRecord>> {
    let found = sqlx::query("select * from execution where id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await
        .map_err(unavailable("read an execution"))?;
    found.as_ref().map(row::execution).transpose()
}

pub(super) async fn list_executions(
    pool: &PgPool,
    filter: &ExecutionFilter,
    page: &Page,
) -> Result<Paged<ExecutionRecord>> {
    let mut query = QueryBuilder::new("select * from execution where true");
    if let Some(arn) = &filter.state_machine_arn {
        query.push(" and state_machine_arn = ").push_bind(text(arn));
    }
    if let Some(statuses) = page::statuses(filter) {
        // Literals, so that the partial indexes are seen to fit.
        query.push(" and status ").push(statuses);
    }
    if let Some(since) = filter.stopped_since {
        query.push(" and stopped_at >= ").push_bind(instant(since));
    }
    if let Some(pipeline) = &filter.pipeline {
        query.push(" and pipeline = ").push_bind(text(pipeline));
    }
    if let Some(partition) = &filter.partition {
        query.push(" and partition = ").push_bind(text(partition));
    }
    if filter.alone {
        query.push(" and pipeline is null");
    }
    if let Some(place) = page::place(page)? {
        let id = page::id(page, &place)?;
        query.push(" and (started_at, id) < (").push_bind(instant(place.at)).push(", ").push_bind(id).push(")");
    }
    query.push(" order by started_at desc, id desc limit ").push_bind(page::limit(page) as i64 + 1);
    let rows = query.build().fetch_all(pool).await.map_err(unavailable("list executions"))?;
    let items = rows.iter().map(row::execution).collect::<Result<_>>()?;
    Ok(page::cut(items, page, |record| Place { at: record.started_at, key: record.id.to_string() }))
}

pub(super) async fn history(pool: &PgPool, execution: ExecutionId, query: &HistoryQuery) -> Result<Vec<Event>> {
    let mut last_public_id: EventId = 0;
    if query.reverse && query.after.is_none() {
        let last: Option<i64> = sqlx::query_scalar("select last_public_id from execution where id = $1")
            .bind(execution)
            .fetch_optional(pool)
            .await
            .map_err(unavailable("read a history"))?;
        last_public_id = last.map_or(0, i64::unsigned_abs);
    }
    let (first, last) = page::history_range(query, last_public_id);
    let rows = sqlx::query(include_str!("sql/history.sql"))
        .bind(execution)
        .bind(signed(first))
        .bind(signed(last))
        .fetch_all(pool)
        .await
        .map_err(unavailable("read a history"))?;
    let rows: Vec<_> = rows.iter().map(row::events).collect::<Result<_>>()?;
    Ok(page::history(query, first, last, rows))
}

pub(super) async fn count_executions(pool: &PgPool, since: Timestamp) -> Result<Vec<(ExecutionStatus, u64)>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select status, count(*) from execution where status = 'RUNNING' group by status
         union all
         select status, count(*) from execution where stopped_at >= $1 group by status",
    )
    .bind(instant(since))
    .fetch_all(pool)
    .await
    .map_err(unavailable("count executions"))?;
    row::status_counts(rows)
}

pub(super) async fn stalled(pool: &PgPool, idle: Duration, limit: u32) -> Result<Vec<ExecutionId>> {
    sqlx::query_scalar(include_str!("sql/stalled.sql"))
        .bind(millis(idle))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(unavailable("look for stalled executions"))
}

pub(super) async fn append_log(pool: &PgPool, execution: ExecutionId, task: TaskId, lines: &[LogLine]) -> Result<()> {
    let failed = unavailable("keep log lines");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    // Numbers have no gaps and appear in order, so that who follows a log by number misses nothing.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('log ' || $1::uuid::text, 0))")
        .bind(execution)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    sqlx::query(
        "insert into log_line (execution_id, number, task_id, at, stream, text)
         select $1, last.number + new.ordinality, $2, new.at, new.stream, new.text
         from (select coalesce(max(number), 0) as number from log_line where execution_id = $1) as last,
              unnest($3::timestamptz[], $4::text[], $5::text[]) with ordinality as new (at, stream, text, ordinality)",
    )
    .bind(execution)
    .bind(signed(task.0))
    .bind(lines.iter().map(|line| instant(line.at)).collect::<Vec<DateTime<Utc>>>())
    .bind(lines.iter().map(|line| text(&line.stream)).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| text(&line.text)).collect::<Vec<_>>())
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    transaction.commit().await.map_err(failed)
}

pub(super) async fn log(
    pool: &PgPool,
    execution: ExecutionId,
    task: Option<TaskId>,
    after: i64,
    limit: u32,
) -> Result<Vec<LogLine>> {
    let mut query = QueryBuilder::new("select * from log_line where execution_id = ");
    query.push_bind(execution).push(" and number > ").push_bind(after);
    if let Some(task) = task {
        query.push(" and task_id = ").push_bind(signed(task.0));
    }
    query.push(" order by number limit ").push_bind(i64::from(limit));
    let rows = query.build().fetch_all(pool).await.map_err(unavailable("read a log"))?;
    rows.iter().map(row::log_line).collect()
}

pub(super) async fn put_report(pool: &PgPool, report: &ReportRecord) -> Result<()> {
    sqlx::query(
        "insert into report (execution_id, task_id, state, report, at) values ($1, $2, $3, $4, $5)
         on conflict (execution_id, task_id) do update
         set state = excluded.state, report = excluded.report, at = excluded.at",
    )
    .bind(report.execution)
    .bind(signed(report.task.0))
    .bind(text(&report.state))
    .bind(report.report.to_string())
    .bind(instant(report.at))
    .execute(pool)
    .await
    .map_err(unavailable("keep a report"))?;
    Ok(())
}

pub(super) async fn reports(pool: &PgPool, execution: ExecutionId) -> Result<Vec<ReportRecord>> {
    let rows = sqlx::query("select * from report where execution_id = $1 order by at, task_id")
        .bind(execution)
        .fetch_all(pool)
        .await
        .map_err(unavailable("read reports"))?;
    rows.iter().map(row::report).collect()
}
