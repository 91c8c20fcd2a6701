//! State machines and activities.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::super::page::{self, Place};
use super::super::row::{self, kind_word, status_word};
use super::super::{ActivityRecord, Error, Page, Paged, Result, RevisionRecord, StateMachineRecord};
use super::{instant, text, unavailable};

pub(super) async fn create_state_machine(pool: &PgPool, machine: &StateMachineRecord) -> Result<()> {
    let failed = unavailable("create a state machine");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    sqlx::query(include_str!("sql/purge_deleted.sql")).execute(&mut *transaction).await.map_err(&failed)?;
    let created = sqlx::query(
        "insert into state_machine (arn, name, kind, status, created_at, revision_id, tags)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (arn) do nothing",
    )
    .bind(text(&machine.arn))
    .bind(text(&machine.name))
    .bind(kind_word(machine.kind))
    .bind(status_word(machine.status))
    .bind(instant(machine.created_at))
    .bind(machine.revision.id)
    .bind(machine.tags.to_string())
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    if created.rows_affected() == 0 {
        transaction.rollback().await.map_err(failed)?;
        return Err(Error::Exists(machine.arn.clone()));
    }
    put_revision(&mut transaction, &machine.revision).await.map_err(&failed)?;
    transaction.commit().await.map_err(failed)
}

pub(super) async fn update_state_machine(pool: &PgPool, machine: &StateMachineRecord) -> Result<()> {
    let failed = unavailable("update a state machine");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    sqlx::query(include_str!("sql/purge_deleted.sql")).execute(&mut *transaction).await.map_err(&failed)?;
    let updated = sqlx::query(
        "update state_machine set revision_id = $2, tags = $3
         where
             arn = $1
             and exists (select 1 from revision where id = state_machine.revision_id and number = $4 - 1)",
    )
    .bind(text(&machine.arn))
    .bind(machine.revision.id)
    .bind(machine.tags.to_string())
    .bind(i64::from(machine.revision.number))
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    if updated.rows_affected() == 0 {
        let found = sqlx::query("select 1 from state_machine where arn = $1")
            .bind(text(&machine.arn))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(&failed)?;
        transaction.rollback().await.map_err(failed)?;
        let arn = machine.arn.clone();
        return Err(if found.is_some() { Error::Superseded(arn) } else { Error::Missing(arn) });
    }
    put_revision(&mut transaction, &machine.revision).await.map_err(&failed)?;
    transaction.commit().await.map_err(failed)
}

/// Revisions never change: one that is there already stays as it is.
async fn put_revision(connection: &mut PgConnection, revision: &RevisionRecord) -> sqlx::Result<()> {
    sqlx::query(
        "insert into revision
             (id, state_machine_arn, number, definition, role_arn, logging, tracing, encryption, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing",
    )
    .bind(revision.id)
    .bind(text(&revision.state_machine_arn))
    .bind(i64::from(revision.number))
    .bind(text(&revision.definition))
    .bind(text(&revision.role_arn))
    .bind(revision.logging.to_string())
    .bind(revision.tracing.to_string())
    .bind(revision.encryption.to_string())
    .bind(instant(revision.created_at))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn state_machine(pool: &PgPool, arn: &str) -> Result<Option<StateMachineRecord>> {
    let found = sqlx::query(include_str!("sql/state_machine.sql"))
        .bind(text(arn))
        .fetch_optional(pool)
        .await
        .map_err(unavailable("read a state machine"))?;
    found.as_ref().map(row::state_machine).transpose()
}

pub(super) async fn revision(pool: &PgPool, revision: Uuid) -> Result<Option<RevisionRecord>> {
    let found =
        sqlx::query("select *, id as revision_id, created_at as revision_created_at from revision where id = $1")
            .bind(revision)
            .fetch_optional(pool)
            .await
            .map_err(unavailable("read a revision"))?;
    found.as_ref().map(row::revision).transpose()
}

/// The place after which a page begins; the list's beginning without a token.
fn after(page: &Page) -> Result<(DateTime<Utc>, String)> {
    let place = page::place(page)?;
    Ok(place.map_or((DateTime::UNIX_EPOCH - chrono::Days::new(365_000), String::new()), |place| {
        (instant(place.at), text(&place.key))
    }))
}

pub(super) async fn list_state_machines(pool: &PgPool, page: &Page) -> Result<Paged<StateMachineRecord>> {
    let (at, arn) = after(page)?;
    let rows = sqlx::query(include_str!("sql/list_state_machines.sql"))
        .bind(at)
        .bind(arn)
        .bind(page::limit(page) as i64 + 1)
        .fetch_all(pool)
        .await
        .map_err(unavailable("list state machines"))?;
    let items = rows.iter().map(row::state_machine).collect::<Result<_>>()?;
    Ok(page::cut(items, page, |machine| Place { at: machine.created_at, key: machine.arn.clone() }))
}

pub(super) async fn delete_state_machine(pool: &PgPool, arn: &str) -> Result<bool> {
    let failed = unavailable("delete a state machine");
    let mut transaction = pool.begin().await.map_err(&failed)?;
    sqlx::query(include_str!("sql/purge_deleted.sql")).execute(&mut *transaction).await.map_err(&failed)?;
    let marked = sqlx::query("update state_machine set status = 'DELETING' where arn = $1")
        .bind(text(arn))
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
    sqlx::query(include_str!("sql/purge_deleted.sql")).execute(&mut *transaction).await.map_err(&failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(marked.rows_affected() == 1)
}

pub(super) async fn create_activity(pool: &PgPool, activity: &ActivityRecord) -> Result<ActivityRecord> {
    // The update changes nothing; it makes the row that is there be returned.
    let row = sqlx::query(
        "insert into activity (arn, name, created_at, tags) values ($1, $2, $3, $4)
         on conflict (arn) do update set arn = excluded.arn
         returning *",
    )
    .bind(text(&activity.arn))
    .bind(text(&activity.name))
    .bind(instant(activity.created_at))
    .bind(activity.tags.to_string())
    .fetch_one(pool)
    .await
    .map_err(unavailable("create an activity"))?;
    row::activity(&row)
}

pub(super) async fn activity(pool: &PgPool, arn: &str) -> Result<Option<ActivityRecord>> {
    let found = sqlx::query("select * from activity where arn = $1")
        .bind(text(arn))
        .fetch_optional(pool)
        .await
        .map_err(unavailable("read an activity"))?;
    found.as_ref().map(row::activity).transpose()
}

pub(super) async fn list_activities(pool: &PgPool, page: &Page) -> Result<Paged<ActivityRecord>> {
    let (at, arn) = after(page)?;
    let rows =
        sqlx::query("select * from activity where (created_at, arn) > ($1, $2) order by created_at, arn limit $3")
            .bind(at)
            .bind(arn)
            .bind(page::limit(page) as i64 + 1)
            .fetch_all(pool)
            .await
            .map_err(unavailable("list activities"))?;
    let items = rows.iter().map(row::activity).collect::<Result<_>>()?;
    Ok(page::cut(items, page, |activity| Place { at: activity.created_at, key: activity.arn.clone() }))
}

pub(super) async fn delete_activity(pool: &PgPool, arn: &str) -> Result<bool> {
    let deleted = sqlx::query("delete from activity where arn = $1")
        .bind(text(arn))
        .execute(pool)
        .await
        .map_err(unavailable("delete an activity"))?;
    Ok(deleted.rows_affected() == 1)
}
