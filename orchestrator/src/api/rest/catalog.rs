//! The local catalog and the outbox.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::Query;
use super::view::List;
use super::{Problem, Rest};
use crate::pipeline::{TableWrite, last_writes};
use crate::store::{CrawlTable, OutboxMessage};

/// A table of the local catalog.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TableView {
    /// The database.
    database: String,
    /// The table.
    name: String,
    /// Where its data is.
    location: String,
    /// `[{"name","type"}]`, without the partition keys.
    #[schema(value_type = Vec<Object>)]
    columns: Value,
    /// `[{"name","type"}]`.
    #[schema(value_type = Vec<Object>)]
    partition_keys: Value,
    /// `[{"values","rows","bytes","files"}]`.
    #[schema(value_type = Vec<Object>)]
    partitions: Value,
    /// The crawler that found it.
    crawler: String,
    /// When, ISO 8601, UTC.
    updated_at: String,
    /// The newest run that wrote it, with its rows and its quality checks.
    last_write: Option<TableWrite>,
}

/// The local catalog by database and table.
#[utoipa::path(get, path = "/api/v1/tables", tag = "operations", responses((status = 200, body = List<TableView>)))]
pub(super) async fn tables(State(rest): State<Arc<Rest>>) -> Result<Json<List<TableView>>, Problem> {
    let writes = last_writes(&**rest.engine.store()).await?;
    let view = |table: CrawlTable| TableView {
        last_write: writes.iter().find(|write| write.location == table.location.trim_end_matches('/')).cloned(),
        database: table.database,
        name: table.name,
        location: table.location,
        columns: table.columns,
        partition_keys: table.partition_keys,
        partitions: table.partitions,
        crawler: table.crawler,
        updated_at: table.updated_at.to_string(),
    };
    let tables = rest.engine.store().tables().await?;
    Ok(Json(List::all(tables.into_iter().map(view).collect())))
}

/// A message in the outbox.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OutboxView {
    /// Its id; receivers find it as `DeduplicationId`.
    id: String,
    /// `sns` or `cloudwatch`.
    channel: String,
    /// `PENDING`, `SENT`, `FAILED` or `NOT_CONFIGURED`.
    delivery: &'static str,
    /// Attempts so far.
    attempts: u32,
    /// What the last attempt ran into, or the receipt.
    note: Option<String>,
    /// What is sent.
    #[schema(value_type = Object)]
    payload: Value,
    /// ISO 8601, UTC.
    created_at: String,
    /// When it is tried next, or was settled.
    due_at: String,
}

/// How many.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboxQuery {
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

/// The newest messages, newest first, with the state of their delivery.
#[utoipa::path(
    get, path = "/api/v1/outbox", tag = "operations", params(OutboxQuery),
    responses((status = 200, body = List<OutboxView>), (status = 400, body = Problem))
)]
pub(super) async fn outbox(
    State(rest): State<Arc<Rest>>,
    Query(query): Query<OutboxQuery>,
) -> Result<Json<List<OutboxView>>, Problem> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::invalid("limit", &format!("is {limit}"), "give 1 to 1000"));
    }
    let view = |message: OutboxMessage| OutboxView {
        id: message.id.to_string(),
        channel: message.channel,
        delivery: message.delivery.as_str(),
        attempts: message.attempts,
        note: message.note,
        payload: message.payload,
        created_at: message.created_at.to_string(),
        due_at: message.due_at.to_string(),
    };
    let messages = rest.engine.store().outbox(limit).await?;
    Ok(Json(List::all(messages.into_iter().map(view).collect())))
}
