//! Batches of commits: one statement that writes them and checks what they take for granted.
//!
//! That is nearly always so: the nodes know the executions they go on with. If it is not, the statement undoes itself,
//! what the batch depends on is read, each commit is judged on that, and those that hold are written. Nothing is locked
//! in between; if another node changes something meanwhile it goes round again, and somebody made progress every time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{Acquire, AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::super::admission::{self, Changes, Facts, Questions};
use super::super::row::{self, seconds, signed};
use super::super::{Commit, CommitResult, End, Error, NewOutboxMessage, Result};
use super::connection::Connections;
use super::statement::{self, Parts};
use super::{hint, instant, ledger, outbox, text, text_or_null, unavailable};

/// How often a batch is tried; each time another node was faster.
const ATTEMPTS_MAX: u32 = 20;

pub(super) async fn commit(committers: &Connections, node: Uuid, batch: Vec<Commit>) -> Result<Vec<CommitResult>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let failed = unavailable("commit");
    let questions = Questions::of(&batch);
    let mut line = committers.take().await.map_err(&failed)?;
    let mut attempt = 1;
    loop {
        match attempt_once(line.get(), node, &questions, batch.clone(), attempt == 1).await {
            Ok(results) => {
                line.give_back();
                return Ok(results);
            }
            Err(Error::Unavailable { source, .. }) if attempt < ATTEMPTS_MAX && is_conflict(&source) => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Whether the database undid a statement because of somebody else's.
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    // Ours; a unique violation; a serialization failure; a deadlock.
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("SW001" | "23505" | "40001" | "40P01"))
}

async fn attempt_once(
    connection: &mut PgConnection,
    node: Uuid,
    questions: &Questions,
    batch: Vec<Commit>,
    is_first: bool,
) -> Result<Vec<CommitResult>> {
    let failed = unavailable("commit");
    let has_extras =
        batch.iter().any(|commit| !(commit.ledger.is_empty() && commit.outbox.is_empty() && commit.tables.is_empty()));
    if !has_extras {
        // A single statement is its own transaction: no round trips for its begin and end.
        let facts = match is_first.then(|| Facts::assumed(&batch)).flatten() {
            Some(assumed) => assumed,
            None => facts(connection, questions).await?,
        };
        let (results, changes) = admission::admit(batch, facts);
        write(connection, node, changes).await?;
        return Ok(results);
    }
    let mut transaction = connection.begin().await.map_err(&failed)?;
    ledger::lock(&mut transaction, &questions.ledger).await?;
    let mut facts = facts(&mut transaction, questions).await?;
    facts.ledger = ledger::rows(&mut transaction, &questions.ledger).await?;
    let (results, changes) = admission::admit(batch, facts);
    let (rows, messages, tables) = (&changes.ledger, &changes.outbox, &changes.tables);
    ledger::put(&mut transaction, rows.values()).await?;
    put_outbox(&mut transaction, messages).await?;
    outbox::put_tables_in(&mut transaction, tables.values()).await?;
    write(&mut transaction, node, changes).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(results)
}

async fn facts(connection: &mut PgConnection, questions: &Questions) -> Result<Facts> {
    let failed = unavailable("commit");
    let (executions, tasks): (Vec<Uuid>, Vec<i64>) =
        questions.starts.iter().map(|(execution, task)| (*execution, signed(task.0))).unzip();
    let (held_executions, held_tasks): (Vec<Uuid>, Vec<i64>) =
        questions.held.iter().map(|(execution, task)| (*execution, signed(task.0))).unzip();
    let machines: Vec<String> = questions.machines.iter().map(|arn| text(arn)).collect();
    let arns: Vec<String> = questions.arns.iter().map(|arn| text(arn)).collect();
    let rows = sqlx::query(include_str!("sql/facts.sql"))
        .bind(&questions.executions)
        .bind(executions)
        .bind(tasks)
        .bind(machines)
        .bind(arns)
        .bind(held_executions)
        .bind(held_tasks)
        .fetch_all(&mut *connection)
        .await
        .map_err(&failed)?;
    let mut facts = Facts::default();
    let mut taken: Vec<Uuid> = Vec::new();
    for found in rows {
        let number = |column| found.try_get::<i64, _>(column).map(i64::unsigned_abs).map_err(&failed);
        let id = || found.try_get::<Uuid, _>("id").map_err(&failed);
        match found.try_get::<&str, _>("what").map_err(&failed)? {
            "execution" => {
                facts.executions.insert(id()?, (number("number")?, number("public_id")?));
            }
            "scheduled" => {
                facts.scheduled.insert((id()?, asl::TaskId(number("number")?)));
            }
            "held" => {
                let token: &str = found.try_get("arn").map_err(&failed)?;
                if let Some((token, ..)) = asl::TaskToken::parse(token) {
                    facts.tokens.insert((id()?, asl::TaskId(number("number")?)), token);
                }
            }
            "active" => {
                facts.active.insert(found.try_get("arn").map_err(&failed)?);
            }
            _ => taken.push(id()?),
        }
    }
    if !taken.is_empty() {
        let rows = sqlx::query("select * from execution where id = any ($1)").bind(taken).fetch_all(connection).await;
        for found in rows.map_err(failed)? {
            let record = row::execution(&found)?;
            facts.taken.insert(record.arn.clone(), record);
        }
    }
    Ok(facts)
}

/// Collects one column of rows.
fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn write(connection: &mut PgConnection, node: Uuid, changes: Changes) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let hints = hint::payloads(node, &changes.hints());
    let starts = signed(changes.starts() as u64);
    let Changes {
        created, advanced, journal, tasks, task_updates, tasks_gone, timers, timers_gone, held, ended, ..
    } = changes;
    let updates: Vec<_> = task_updates.into_iter().collect();
    let ends: Vec<Option<&End>> = advanced.iter().map(|row| row.end.as_ref()).collect();
    let (gone_executions, gone_tasks): (Vec<Uuid>, Vec<i64>) =
        tasks_gone.into_iter().map(|(execution, task)| (execution, signed(task.0))).unzip();
    let timers: Vec<_> = timers.into_iter().collect();
    let timers_gone: Vec<_> = timers_gone.into_iter().collect();
    let parts = Parts {
        created: !created.is_empty(),
        advanced: !advanced.is_empty(),
        scheduled: !tasks.is_empty(),
        changed: !updates.is_empty(),
        tasks_gone: !gone_tasks.is_empty(),
        timers_set: !timers.is_empty(),
        timers_gone: !timers_gone.is_empty(),
        ended: !ended.is_empty(),
        held: !held.is_empty(),
    };
    sqlx::query(AssertSqlSafe(statement::of(parts)))
        // created
        .bind(column(&created, |row| row.id))
        .bind(column(&created, |row| row.arn.clone()))
        .bind(column(&created, |row| row.name.clone()))
        .bind(column(&created, |row| row.state_machine_arn.clone()))
        .bind(column(&created, |row| row.revision))
        .bind(column(&created, |row| i64::from(row.revision_number)))
        .bind(column(&created, |row| row.status.as_str()))
        .bind(column(&created, |row| text(&row.input)))
        .bind(column(&created, |row| text_or_null(row.output.as_ref())))
        .bind(column(&created, |row| text_or_null(row.error.as_ref())))
        .bind(column(&created, |row| text_or_null(row.cause.as_ref())))
        .bind(column(&created, |row| instant(row.started_at)))
        .bind(column(&created, |row| row.stopped_at.map(instant)))
        .bind(column(&created, |row| signed(row.last_event_id)))
        .bind(column(&created, |row| signed(row.last_public_id)))
        .bind(column(&created, |row| text_or_null(row.trace_header.as_ref())))
        .bind(column(&created, |row| row.pipeline.clone()))
        .bind(column(&created, |row| row.partition.clone()))
        .bind(column(&created, |row| row.trigger.clone()))
        // advanced
        .bind(column(&advanced, |row| row.execution))
        .bind(column(&advanced, |row| signed(row.expected)))
        .bind(column(&advanced, |row| signed(row.last_event_id)))
        .bind(column(&advanced, |row| signed(row.last_public_id)))
        .bind(column(&ends, |end| end.map(|end| end.status.as_str())))
        .bind(column(&ends, |end| end.and_then(|end| text_or_null(end.output.as_ref()))))
        .bind(column(&ends, |end| end.and_then(|end| text_or_null(end.error.as_ref()))))
        .bind(column(&ends, |end| end.and_then(|end| text_or_null(end.cause.as_ref()))))
        .bind(column(&ends, |end| end.map(|end| instant(end.stopped_at))))
        // journal
        .bind(column(&journal, |row| row.execution))
        .bind(column(&journal, |row| signed(row.first_event_id)))
        .bind(column(&journal, |row| signed(row.last_event_id)))
        .bind(column(&journal, |row| signed(row.first_public_id)))
        .bind(column(&journal, |row| signed(row.last_public_id)))
        .bind(column(&journal, |row| row::events_text(&row.events)))
        // tasks
        .bind(column(&tasks, |(execution, _)| *execution))
        .bind(column(&tasks, |(_, task)| signed(task.task.0)))
        .bind(column(&tasks, |(_, task)| task.queue.clone()))
        .bind(column(&tasks, |(_, task)| text(&task.state)))
        .bind(column(&tasks, |(_, task)| signed(task.attempt)))
        .bind(column(&tasks, |(_, task)| row::resource_text(&task.resource)))
        .bind(column(&tasks, |(_, task)| text(&task.input)))
        .bind(column(&tasks, |(_, task)| {
            task.started
                .as_ref()
                .map(|start| &start.token)
                .or(task.token.as_ref())
                .map(|token| token.as_str().to_owned())
        }))
        .bind(column(&tasks, |(_, task)| task.heartbeat_seconds.map(seconds)))
        .bind(column(&tasks, |(_, task)| task.lease_seconds.map(seconds)))
        .bind(column(&tasks, |(_, task)| task.started.is_some()))
        .bind(column(&tasks, |(_, task)| text_or_null(task.started.as_ref().and_then(|start| start.worker.as_ref()))))
        // changes of tasks
        .bind(column(&updates, |((execution, _), _)| *execution))
        .bind(column(&updates, |((_, task), _)| signed(task.0)))
        .bind(column(&updates, |(_, update)| update.start.is_some()))
        .bind(column(&updates, |(_, update)| {
            text_or_null(update.start.as_ref().and_then(|start| start.worker.as_ref()))
        }))
        .bind(column(&updates, |(_, update)| update.start.as_ref().map(|start| start.token.as_str().to_owned())))
        .bind(column(&updates, |(_, update)| update.submission.as_ref().map(ToString::to_string)))
        .bind(gone_executions)
        .bind(gone_tasks)
        // timers
        .bind(column(&timers, |((execution, _), _)| *execution))
        .bind(column(&timers, |((_, timer), _)| signed(timer.event)))
        .bind(column(&timers, |((_, timer), _)| timer.kind.as_str()))
        .bind(column(&timers, |(_, due_at)| instant(*due_at)))
        .bind(column(&timers_gone, |(execution, _)| *execution))
        .bind(column(&timers_gone, |(_, timer)| signed(timer.event)))
        .bind(column(&timers_gone, |(_, timer)| timer.kind.as_str()))
        .bind(ended)
        .bind(starts)
        .bind(hints)
        // what is held
        .bind(column(&held, |(execution, ..)| *execution))
        .bind(column(&held, |(_, task, _)| signed(task.0)))
        .bind(column(&held, |(.., token)| token.as_str().to_owned()))
        // more of the changes of tasks
        .bind(column(&updates, |(_, update)| update.ends_lease))
        .execute(connection)
        .await
        .map_err(unavailable("commit"))?;
    Ok(())
}

/// Messages by id, so that a repeated one adds nothing.
pub(super) async fn put_outbox(connection: &mut PgConnection, messages: &[NewOutboxMessage]) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let messages: BTreeMap<Uuid, &NewOutboxMessage> = messages.iter().map(|message| (message.id, message)).collect();
    let messages: Vec<_> = messages.into_values().collect();
    sqlx::query(
        "insert into outbox (id, channel, payload, delivery, attempts, created_at, due_at)
         select id, channel, payload, 'PENDING', 0, created_at, statement_timestamp()
         from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) as new (id, channel, payload, created_at)
         on conflict (id) do nothing",
    )
    .bind(column(&messages, |message| message.id))
    .bind(column(&messages, |message| text(&message.channel)))
    .bind(column(&messages, |message| message.payload.to_string()))
    .bind(column(&messages, |message| -> DateTime<Utc> { instant(message.created_at) }))
    .execute(connection)
    .await
    .map_err(unavailable("commit"))?;
    Ok(())
}
