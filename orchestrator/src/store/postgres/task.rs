//! Tasks, leases and timers.

use std::time::Duration;

use asl::{TaskId, TaskToken, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::super::row::{self, millis, signed};
use super::super::{DueTimer, ExecutionId, Result, TaskRecord};
use super::connection::Connections;
use super::row::by_waiting;
use super::{text, unavailable};

pub(super) async fn claim(
    claims: &Connections,
    queues: &[String],
    limit: u32,
    reserve: Duration,
) -> Result<Vec<TaskRecord>> {
    let failed = unavailable("claim tasks");
    let mut line = claims.take().await.map_err(&failed)?;
    let mut queues: Vec<String> = queues.iter().map(|queue| text(queue)).collect();
    queues.sort_unstable();
    queues.dedup();
    let rows = sqlx::query(include_str!("sql/claim.sql"))
        .bind(queues)
        .bind(i64::from(limit))
        .bind(millis(reserve))
        .fetch_all(line.get())
        .await
        .map_err(&failed)?;
    line.give_back();
    by_waiting(rows)?.iter().map(row::task).collect()
}

pub(super) async fn unclaim(claims: &Connections, tasks: &[(ExecutionId, TaskId)]) -> Result<()> {
    let failed = unavailable("give tasks back");
    let mut line = claims.take().await.map_err(&failed)?;
    let (executions, tasks): (Vec<Uuid>, Vec<i64>) =
        tasks.iter().map(|(execution, task)| (*execution, signed(task.0))).unzip();
    sqlx::query(
        "update task set visible_at = task.scheduled_at
         from unnest($1::uuid[], $2::bigint[]) as given (execution_id, task_id)
         where task.execution_id = given.execution_id and task.task_id = given.task_id and task.status = 'SCHEDULED'",
    )
    .bind(executions)
    .bind(tasks)
    .execute(line.get())
    .await
    .map_err(&failed)?;
    line.give_back();
    Ok(())
}

/// Durable, unlike a reservation: a task without a lease would stay with the one who went away.
pub(super) async fn release(pool: &PgPool, execution: ExecutionId, task: TaskId, token: &TaskToken) -> Result<()> {
    sqlx::query(
        "update task
         set
             status = 'SCHEDULED', worker = null, started_at = null, lease_expires_at = null,
             visible_at = statement_timestamp()
         where execution_id = $1 and task_id = $2 and token = $3 and status = 'STARTED'",
    )
    .bind(execution)
    .bind(signed(task.0))
    .bind(token.as_str())
    .execute(pool)
    .await
    .map_err(unavailable("release a task"))?;
    Ok(())
}

pub(super) async fn task(claims: &Connections, execution: ExecutionId, task: TaskId) -> Result<Option<TaskRecord>> {
    let failed = unavailable("read a task");
    let mut line = claims.take().await.map_err(&failed)?;
    let found = sqlx::query("select * from task where execution_id = $1 and task_id = $2")
        .bind(execution)
        .bind(signed(task.0))
        .fetch_optional(line.get())
        .await
        .map_err(&failed)?;
    line.give_back();
    found.as_ref().map(row::task).transpose()
}

pub(super) async fn tasks(claims: &Connections, execution: ExecutionId) -> Result<Vec<TaskRecord>> {
    let failed = unavailable("read tasks");
    let mut line = claims.take().await.map_err(&failed)?;
    let rows = sqlx::query("select * from task where execution_id = $1 order by task_id")
        .bind(execution)
        .fetch_all(line.get())
        .await
        .map_err(&failed)?;
    line.give_back();
    rows.iter().map(row::task).collect()
}

pub(super) async fn heartbeat(
    claims: &Connections,
    execution: ExecutionId,
    task: TaskId,
    token: &TaskToken,
) -> Result<bool> {
    let failed = unavailable("take a heartbeat");
    let mut line = claims.take().await.map_err(&failed)?;
    let alive: i64 = sqlx::query_scalar(include_str!("sql/heartbeat.sql"))
        .bind(execution)
        .bind(signed(task.0))
        .bind(token.as_str())
        .fetch_one(line.get())
        .await
        .map_err(&failed)?;
    line.give_back();
    Ok(alive == 1)
}

pub(super) async fn due_timers(
    claims: &Connections,
    limit: u32,
    reserve: Duration,
) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
    let failed = unavailable("read timers");
    let mut line = claims.take().await.map_err(&failed)?;
    let rows = sqlx::query(include_str!("sql/due_timers.sql"))
        .bind(i64::from(limit))
        .bind(millis(reserve))
        .fetch_all(line.get())
        .await
        .map_err(&failed)?;
    let due = by_waiting(rows)?.iter().map(row::timer).collect::<Result<_>>()?;
    let next: Option<DateTime<Utc>> = sqlx::query_scalar("select visible_at from timer order by visible_at limit 1")
        .fetch_optional(line.get())
        .await
        .map_err(&failed)?;
    line.give_back();
    Ok((due, next.map(Timestamp::from)))
}

pub(super) async fn expired_leases(claims: &Connections, limit: u32, deliveries_max: u32) -> Result<Vec<TaskRecord>> {
    let failed = unavailable("look for expired leases");
    let mut line = claims.take().await.map_err(&failed)?;
    let rows = sqlx::query(include_str!("sql/expired_leases.sql"))
        .bind(i64::from(limit))
        .bind(i64::from(deliveries_max))
        .fetch_all(line.get())
        .await
        .map_err(&failed)?;
    line.give_back();
    rows.iter().map(row::task).collect()
}

pub(super) async fn backlog(pool: &PgPool) -> Result<Vec<(String, u64, Timestamp)>> {
    let rows: Vec<(String, i64, DateTime<Utc>)> = sqlx::query_as(
        "select queue, count(*), min(scheduled_at) from task where status = 'SCHEDULED' group by queue order by queue",
    )
    .fetch_all(pool)
    .await
    .map_err(unavailable("count waiting tasks"))?;
    Ok(rows.into_iter().map(|(queue, count, oldest)| (queue, count.unsigned_abs(), oldest.into())).collect())
}
