//! What a task started elsewhere is stopped when the task is given up: by a timeout, a stop, a failed neighbour, or because
//! too many nodes died with it.
//!
//! Whoever submits something that can be stopped says so in the submission, as a message: `{"on_give_up": {"channel",
//! "payload"}}`. The commit that gives the task up puts it into the outbox, so that it is delivered even if every node dies
//! in between. A task that ended by itself leaves none.

use asl::{TaskId, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::Inner;
use super::error::Error;
use crate::store::{Commit, ExecutionId, NewOutboxMessage, TaskRecord};

/// The field of a submission.
pub(crate) const ON_GIVE_UP: &str = "on_give_up";

impl Inner {
    /// Adds what has to be told of a task that `commit` gives up.
    pub(super) async fn add_give_up(
        &self,
        execution: ExecutionId,
        task: TaskId,
        commit: &mut Commit,
        now: Timestamp,
    ) -> Result<(), Error> {
        if commit.tasks.iter().any(|new| new.task == task) {
            // Scheduled in this very commit: nobody has seen it.
            return Ok(());
        }
        let row = self.store.task(execution, task).await?;
        commit.outbox.extend(row.as_ref().and_then(|row| message(row, now)));
        Ok(())
    }
}

/// What has to be told when the task of this row is given up.
pub(super) fn message(row: &TaskRecord, now: Timestamp) -> Option<NewOutboxMessage> {
    let message = row.submission.as_ref()?.get(ON_GIVE_UP)?;
    Some(NewOutboxMessage {
        // The same whenever this is decided again.
        id: Uuid::new_v5(&row.execution, format!("give up {}", row.task.0).as_bytes()),
        channel: message["channel"].as_str()?.to_owned(),
        payload: message.get("payload").cloned().unwrap_or(Value::Null),
        created_at: now,
    })
}
