//! Tasks, leases and timers.
//!
//! Who looks for work looks with a reader first: a sweep that finds nothing writes nothing and waits for nobody.

use std::time::Duration;

use asl::{TaskId, TaskToken, Timestamp};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::super::row::{self, millis, signed};
use super::super::{DueTimer, ExecutionId, Result, TaskRecord};
use super::{now, unavailable};

/// Queues as the one parameter of `json_each`.
fn list(queues: &[String]) -> String {
    serde_json::to_string(queues).expect("texts are JSON")
}

pub(super) async fn claim(
    writer: &mut SqliteConnection,
    queues: &[String],
    limit: u32,
    reserve: Duration,
) -> Result<Vec<TaskRecord>> {
    let failed = unavailable("claim tasks");
    let now = now();
    let rows = sqlx::query(
        "select * from task
         where queue in (select value from json_each(?)) and status = 'SCHEDULED' and visible_at <= ?
         order by visible_at, execution_id, task_id limit ?",
    )
    .bind(list(queues))
    .bind(now)
    .bind(limit)
    .fetch_all(&mut *writer)
    .await
    .map_err(&failed)?;
    let claimed: Vec<TaskRecord> = rows.iter().map(row::task).collect::<Result<_>>()?;
    if claimed.is_empty() {
        return Ok(claimed);
    }
    // Nothing comes in between: the caller holds the only connection that writes.
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    for task in &claimed {
        sqlx::query("update task set visible_at = ? where execution_id = ? and task_id = ?")
            .bind(now + millis(reserve))
            .bind(task.execution.to_string())
            .bind(signed(task.task.0))
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(claimed)
}

pub(super) async fn unclaim(writer: &mut SqliteConnection, tasks: &[(ExecutionId, TaskId)]) -> Result<()> {
    let failed = unavailable("give tasks back");
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    for (execution, task) in tasks {
        sqlx::query(
            "update task set visible_at = scheduled_at where execution_id = ? and task_id = ? and status = 'SCHEDULED'",
        )
        .bind(execution.to_string())
        .bind(signed(task.0))
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)
}

pub(super) async fn release(
    writer: &mut SqliteConnection,
    execution: ExecutionId,
    task: TaskId,
    token: &TaskToken,
) -> Result<()> {
    sqlx::query(
        "update task
         set status = 'SCHEDULED', worker = null, started_at = null, lease_expires_at = null, visible_at = ?
         where execution_id = ? and task_id = ? and token = ? and status = 'STARTED'",
    )
    .bind(now())
    .bind(execution.to_string())
    .bind(signed(task.0))
    .bind(token.as_str().to_owned())
    .execute(writer)
    .await
    .map_err(unavailable("release a task"))?;
    Ok(())
}

pub(super) async fn task(pool: &SqlitePool, execution: ExecutionId, task: TaskId) -> Result<Option<TaskRecord>> {
    let found = sqlx::query("select * from task where execution_id = ? and task_id = ?")
        .bind(execution.to_string())
        .bind(signed(task.0))
        .fetch_optional(pool)
        .await
        .map_err(unavailable("read a task"))?;
    found.as_ref().map(row::task).transpose()
}

pub(super) async fn tasks(pool: &SqlitePool, execution: ExecutionId) -> Result<Vec<TaskRecord>> {
    let rows = sqlx::query("select * from task where execution_id = ? order by task_id")
        .bind(execution.to_string())
        .fetch_all(pool)
        .await
        .map_err(unavailable("read tasks"))?;
    rows.iter().map(row::task).collect()
}

pub(super) async fn heartbeat(
    writer: &mut SqliteConnection,
    execution: ExecutionId,
    task: TaskId,
    token: &TaskToken,
) -> Result<bool> {
    let failed = unavailable("take a heartbeat");
    let now = now();
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    let heartbeat_seconds: Option<Option<i64>> = sqlx::query_scalar(
        "update task set lease_expires_at = ?1 + lease_seconds * 1000
         where execution_id = ?2 and task_id = ?3 and token = ?4 and status = 'STARTED'
         returning heartbeat_seconds",
    )
    .bind(now)
    .bind(execution.to_string())
    .bind(signed(task.0))
    .bind(token.as_str().to_owned())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(&failed)?;
    if let Some(Some(seconds)) = heartbeat_seconds {
        sqlx::query(
            "update timer set due_at = ?1, visible_at = ?1
             where execution_id = ?2 and event_id = ?3 and kind = 'HEARTBEAT'",
        )
        .bind(now + seconds * 1000)
        .bind(execution.to_string())
        .bind(signed(task.0))
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(heartbeat_seconds.is_some())
}

/// When the next timer becomes visible.
async fn next_timer(readers: &SqlitePool) -> Result<Option<Timestamp>> {
    let next: Option<i64> = sqlx::query_scalar("select visible_at from timer order by visible_at limit 1")
        .fetch_optional(readers)
        .await
        .map_err(unavailable("read timers"))?;
    Ok(next.map(Timestamp::from_millis))
}

pub(super) async fn due_timers(
    readers: &SqlitePool,
    writer: &Mutex<SqliteConnection>,
    limit: u32,
    reserve: Duration,
) -> Result<(Vec<DueTimer>, Option<Timestamp>)> {
    let next = next_timer(readers).await?;
    if next.is_none_or(|next| next.millis() > now()) {
        return Ok((Vec::new(), next));
    }
    let failed = unavailable("read timers");
    let now = now();
    let mut writer = writer.lock().await;
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    let rows = sqlx::query("select * from timer where visible_at <= ? order by visible_at limit ?")
        .bind(now)
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await
        .map_err(&failed)?;
    let due: Vec<DueTimer> = rows.iter().map(row::timer).collect::<Result<_>>()?;
    for DueTimer { execution, timer, .. } in &due {
        sqlx::query("update timer set visible_at = ? where execution_id = ? and event_id = ? and kind = ?")
            .bind(now + millis(reserve))
            .bind(execution.to_string())
            .bind(signed(timer.event))
            .bind(timer.kind.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok((due, next_timer(readers).await?))
}

pub(super) async fn expired_leases(
    readers: &SqlitePool,
    writer: &Mutex<SqliteConnection>,
    limit: u32,
    deliveries_max: u32,
) -> Result<Vec<TaskRecord>> {
    let failed = unavailable("look for expired leases");
    let now = now();
    let expired = "select * from task where lease_expires_at <= ? order by lease_expires_at limit ?";
    let any = sqlx::query(expired).bind(now).bind(1).fetch_optional(readers).await.map_err(&failed)?;
    if any.is_none() {
        return Ok(Vec::new());
    }
    let mut writer = writer.lock().await;
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    let rows = sqlx::query(expired).bind(now).bind(limit).fetch_all(&mut *transaction).await.map_err(&failed)?;
    let mut tasks = Vec::new();
    for found in &rows {
        let task = row::task(found)?;
        if task.submission.is_none() && task.redeliveries + 1 >= deliveries_max {
            tasks.push(task);
            continue;
        }
        let put_back = sqlx::query(
            "update task
             set
                 status = 'SCHEDULED', redeliveries = redeliveries + iif(submission is null, 1, 0), worker = null,
                 started_at = null, lease_expires_at = null, visible_at = ?
             where execution_id = ? and task_id = ?
             returning *",
        )
        .bind(now)
        .bind(task.execution.to_string())
        .bind(signed(task.task.0))
        .fetch_one(&mut *transaction)
        .await
        .map_err(&failed)?;
        tasks.push(row::task(&put_back)?);
    }
    transaction.commit().await.map_err(failed)?;
    Ok(tasks)
}

pub(super) async fn backlog(pool: &SqlitePool) -> Result<Vec<(String, u64, Timestamp)>> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "select queue, count(*), min(scheduled_at) from task where status = 'SCHEDULED' group by queue order by queue",
    )
    .fetch_all(pool)
    .await
    .map_err(unavailable("count waiting tasks"))?;
    let rows = rows.into_iter();
    Ok(rows.map(|(queue, count, oldest)| (queue, count.unsigned_abs(), Timestamp::from_millis(oldest))).collect())
}
