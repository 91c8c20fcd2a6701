//! Batches of commits: one transaction on the one connection that writes, so nothing changes between question and
//! answer. Statements are prepared once and run per row: inside one process that is cheaper than a parameter that
//! holds all rows.

use asl::TaskId;
use sqlx::{Connection, Row, SqliteConnection};

use super::super::admission::{self, Advance, Changes, Facts, JournalRow, Questions, TaskUpdate};
use super::super::row::{self, seconds, signed};
use super::super::{Commit, CommitResult, ExecutionId, ExecutionRecord, NewOutboxMessage, NewTask, Result};
use super::{ledger, now, outbox, unavailable};

pub(super) async fn commit(writer: &mut SqliteConnection, batch: Vec<Commit>) -> Result<Vec<CommitResult>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let failed = unavailable("commit");
    let mut transaction = writer.begin_with("begin immediate").await.map_err(&failed)?;
    let facts = facts(&mut transaction, &Questions::of(&batch)).await?;
    let (results, changes) = admission::admit(batch, facts);
    if changes.is_empty() {
        transaction.rollback().await.map_err(failed)?;
        return Ok(results);
    }
    ledger::put(&mut transaction, changes.ledger.values()).await?;
    outbox::put_tables_in(&mut transaction, changes.tables.values()).await?;
    write(&mut transaction, changes).await.map_err(&failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(results)
}

async fn facts(connection: &mut SqliteConnection, questions: &Questions) -> Result<Facts> {
    let failed = unavailable("commit");
    let mut facts = Facts::default();
    for id in &questions.executions {
        let found = sqlx::query("select last_event_id, last_public_id from execution where id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *connection)
            .await
            .map_err(&failed)?;
        if let Some(found) = found {
            let number = |column| found.try_get::<i64, _>(column).map(i64::unsigned_abs).map_err(&failed);
            facts.executions.insert(*id, (number("last_event_id")?, number("last_public_id")?));
        }
    }
    for (execution, task) in &questions.starts {
        let found = sqlx::query("select 1 from task where execution_id = ? and task_id = ? and status = 'SCHEDULED'")
            .bind(execution.to_string())
            .bind(signed(task.0))
            .fetch_optional(&mut *connection)
            .await
            .map_err(&failed)?;
        if found.is_some() {
            facts.scheduled.insert((*execution, *task));
        }
    }
    for (execution, task) in &questions.held {
        let token: Option<Option<String>> =
            sqlx::query_scalar("select token from task where execution_id = ? and task_id = ?")
                .bind(execution.to_string())
                .bind(signed(task.0))
                .fetch_optional(&mut *connection)
                .await
                .map_err(&failed)?;
        if let Some((token, ..)) = token.flatten().and_then(|token| asl::TaskToken::parse(&token)) {
            facts.tokens.insert((*execution, *task), token);
        }
    }
    for arn in &questions.machines {
        let found = sqlx::query("select 1 from state_machine where arn = ? and status = 'ACTIVE'")
            .bind(arn)
            .fetch_optional(&mut *connection)
            .await
            .map_err(&failed)?;
        if found.is_some() {
            facts.active.insert(arn.clone());
        }
    }
    for arn in &questions.arns {
        let found = sqlx::query("select * from execution where arn = ?")
            .bind(arn)
            .fetch_optional(&mut *connection)
            .await
            .map_err(&failed)?;
        if let Some(found) = found {
            facts.taken.insert(arn.clone(), row::execution(&found)?);
        }
    }
    facts.ledger = ledger::rows(connection, &questions.ledger).await?;
    Ok(facts)
}

async fn write(connection: &mut SqliteConnection, changes: Changes) -> sqlx::Result<()> {
    let now = now();
    for record in &changes.created {
        create(connection, record, now).await?;
    }
    for advance in &changes.advanced {
        self::advance(connection, advance, now).await?;
    }
    for journal in &changes.journal {
        append(connection, journal).await?;
    }
    for (execution, task) in &changes.tasks {
        schedule(connection, *execution, task, now).await?;
    }
    for ((execution, task), update) in &changes.task_updates {
        change(connection, *execution, *task, update, now).await?;
    }
    for (execution, task) in &changes.tasks_gone {
        sqlx::query("delete from task where execution_id = ? and task_id = ?")
            .bind(execution.to_string())
            .bind(signed(task.0))
            .execute(&mut *connection)
            .await?;
    }
    for ((execution, timer), due_at) in &changes.timers {
        sqlx::query(
            "insert into timer (execution_id, event_id, kind, due_at, visible_at) values (?1, ?2, ?3, ?4, ?4)
             on conflict (execution_id, event_id, kind) do update
             set due_at = excluded.due_at, visible_at = excluded.visible_at",
        )
        .bind(execution.to_string())
        .bind(signed(timer.event))
        .bind(timer.kind.as_str())
        .bind(due_at.millis())
        .execute(&mut *connection)
        .await?;
    }
    for (execution, timer) in &changes.timers_gone {
        sqlx::query("delete from timer where execution_id = ? and event_id = ? and kind = ?")
            .bind(execution.to_string())
            .bind(signed(timer.event))
            .bind(timer.kind.as_str())
            .execute(&mut *connection)
            .await?;
    }
    for execution in &changes.ended {
        for statement in ["delete from task where execution_id = ?", "delete from timer where execution_id = ?"] {
            sqlx::query(statement).bind(execution.to_string()).execute(&mut *connection).await?;
        }
    }
    for message in &changes.outbox {
        send(connection, message, now).await?;
    }
    Ok(())
}

async fn create(connection: &mut SqliteConnection, record: &ExecutionRecord, now: i64) -> sqlx::Result<()> {
    sqlx::query(include_str!("sql/create_execution.sql"))
        .bind(record.id.to_string())
        .bind(&record.arn)
        .bind(&record.name)
        .bind(&record.state_machine_arn)
        .bind(record.revision.to_string())
        .bind(record.revision_number)
        .bind(record.status.as_str())
        .bind(&record.input)
        .bind(&record.output)
        .bind(&record.error)
        .bind(&record.cause)
        .bind(record.started_at.millis())
        .bind(record.stopped_at.map(asl::Timestamp::millis))
        .bind(now)
        .bind(signed(record.last_event_id))
        .bind(signed(record.last_public_id))
        .bind(&record.trace_header)
        .bind(&record.pipeline)
        .bind(&record.partition)
        .bind(&record.trigger)
        .execute(connection)
        .await?;
    Ok(())
}

async fn advance(connection: &mut SqliteConnection, advance: &Advance, now: i64) -> sqlx::Result<()> {
    let Advance { execution, last_event_id, last_public_id, end, .. } = advance;
    sqlx::query("update execution set last_event_id = ?, last_public_id = ?, turn_at = ? where id = ?")
        .bind(signed(*last_event_id))
        .bind(signed(*last_public_id))
        .bind(now)
        .bind(execution.to_string())
        .execute(&mut *connection)
        .await?;
    if let Some(end) = end {
        sqlx::query("update execution set status = ?, output = ?, error = ?, cause = ?, stopped_at = ? where id = ?")
            .bind(end.status.as_str())
            .bind(&end.output)
            .bind(&end.error)
            .bind(&end.cause)
            .bind(end.stopped_at.millis())
            .bind(execution.to_string())
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn append(connection: &mut SqliteConnection, journal: &JournalRow) -> sqlx::Result<()> {
    sqlx::query(
        "insert into journal (execution_id, first_event_id, last_event_id, first_public_id, last_public_id, events)
         values (?, ?, ?, ?, ?, ?)",
    )
    .bind(journal.execution.to_string())
    .bind(signed(journal.first_event_id))
    .bind(signed(journal.last_event_id))
    .bind(signed(journal.first_public_id))
    .bind(signed(journal.last_public_id))
    .bind(row::events_text(&journal.events))
    .execute(connection)
    .await?;
    Ok(())
}

async fn schedule(
    connection: &mut SqliteConnection,
    execution: ExecutionId,
    task: &NewTask,
    now: i64,
) -> sqlx::Result<()> {
    let start = task.started.as_ref();
    let token = start.map(|start| &start.token).or(task.token.as_ref());
    let lease_seconds = task.lease_seconds.map(seconds);
    let lease_expires_at = lease_seconds.filter(|_| start.is_some()).map(|seconds| now + seconds * 1000);
    sqlx::query(include_str!("sql/schedule_task.sql"))
        .bind(execution.to_string())
        .bind(signed(task.task.0))
        .bind(&task.queue)
        .bind(&task.state)
        .bind(signed(task.attempt))
        .bind(row::resource_text(&task.resource))
        .bind(&task.input)
        .bind(if start.is_some() { "STARTED" } else { "SCHEDULED" })
        .bind(token.map(|token| token.as_str().to_owned()))
        .bind(start.and_then(|start| start.worker.clone()))
        .bind(now)
        .bind(start.map(|_| now))
        .bind(task.heartbeat_seconds.map(seconds))
        .bind(lease_seconds)
        .bind(lease_expires_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn change(
    connection: &mut SqliteConnection,
    execution: ExecutionId,
    task: TaskId,
    update: &TaskUpdate,
    now: i64,
) -> sqlx::Result<()> {
    if let Some(start) = &update.start {
        sqlx::query(
            "update task
             set
                 status = 'STARTED', worker = ?1, token = ?2, started_at = ?3,
                 lease_expires_at = ?3 + lease_seconds * 1000
             where execution_id = ?4 and task_id = ?5",
        )
        .bind(&start.worker)
        .bind(start.token.as_str().to_owned())
        .bind(now)
        .bind(execution.to_string())
        .bind(signed(task.0))
        .execute(&mut *connection)
        .await?;
    }
    if let Some(submission) = &update.submission {
        sqlx::query("update task set submission = ? where execution_id = ? and task_id = ?")
            .bind(submission.to_string())
            .bind(execution.to_string())
            .bind(signed(task.0))
            .execute(&mut *connection)
            .await?;
    }
    if update.ends_lease {
        sqlx::query(
            "update task set lease_seconds = null, lease_expires_at = null where execution_id = ? and task_id = ?",
        )
        .bind(execution.to_string())
        .bind(signed(task.0))
        .execute(connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn send(connection: &mut SqliteConnection, message: &NewOutboxMessage, now: i64) -> sqlx::Result<()> {
    sqlx::query(
        "insert into outbox (id, channel, payload, delivery, attempts, created_at, due_at)
         values (?, ?, ?, 'PENDING', 0, ?, ?) on conflict (id) do nothing",
    )
    .bind(message.id.to_string())
    .bind(&message.channel)
    .bind(message.payload.to_string())
    .bind(message.created_at.millis())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
