//! Hints between nodes: NOTIFY on one channel, at most a few messages per batch.
//!
//! A payload is JSON: `node` (who sent it, so that a node does not listen to itself), `queues`, `ended`, `page`.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tracing::{debug, warn};
use uuid::Uuid;

use super::super::{Hint, Result};
use super::unavailable;

/// The channel; also named in commit.sql.
const CHANNEL: &str = "stepwell";
/// What a payload holds at most. Postgres: below 8,000 bytes.
const PAYLOAD_BYTES_MAX: usize = 7_000;
/// How many hints a slow subscriber may be behind before it misses some.
const BACKLOG_MAX: usize = 1024;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Payload {
    node: Uuid,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queues: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ended: Vec<Uuid>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    page: bool,
}

/// The hints as payloads, each short enough. A queue whose name alone is too long is not announced: polling finds it.
pub(super) fn payloads(node: Uuid, hints: &[Hint]) -> Vec<String> {
    let mut payloads = Vec::new();
    let (mut open, mut size) = (Payload { node, ..Payload::default() }, 0);
    for hint in hints {
        let bytes = match hint {
            Hint::Task { queue } => serde_json::to_string(queue).map_or(0, |queue| queue.len() + 1),
            Hint::Execution { ended: true, .. } => 39,
            Hint::Page => 12,
            // Only this node needs to know: the others look for due timers by themselves.
            Hint::Execution { ended: false, .. } | Hint::Timer { .. } => continue,
        };
        if bytes > PAYLOAD_BYTES_MAX {
            continue;
        }
        if size + bytes > PAYLOAD_BYTES_MAX {
            payloads.push(std::mem::replace(&mut open, Payload { node, ..Payload::default() }));
            size = 0;
        }
        size += bytes;
        match hint {
            Hint::Task { queue } => open.queues.push(queue.clone()),
            Hint::Execution { id, .. } => open.ended.push(*id),
            Hint::Page | Hint::Timer { .. } => open.page = true,
        }
    }
    if size > 0 {
        payloads.push(open);
    }
    payloads.iter().map(|payload| serde_json::to_string(payload).expect("a payload is plain text and ids")).collect()
}

/// One listening connection per node, made with the first subscriber.
pub(super) struct Hints {
    node: Uuid,
    pool: PgPool,
    sender: Mutex<Option<broadcast::Sender<Hint>>>,
}

impl Hints {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { node: Uuid::new_v4(), pool, sender: Mutex::default() }
    }

    /// This node, as its payloads name it.
    pub(super) fn node(&self) -> Uuid {
        self.node
    }

    pub(super) async fn subscribe(&self) -> Result<broadcast::Receiver<Hint>> {
        if let Some(sender) = &*self.sender.lock() {
            return Ok(sender.subscribe());
        }
        let mut listener = PgListener::connect_with(&self.pool).await.map_err(unavailable("listen for hints"))?;
        listener.listen(CHANNEL).await.map_err(unavailable("listen for hints"))?;
        let mut kept = self.sender.lock();
        // Somebody may have been faster; then this connection is dropped.
        if let Some(sender) = &*kept {
            return Ok(sender.subscribe());
        }
        let (sender, receiver) = broadcast::channel(BACKLOG_MAX);
        *kept = Some(sender.clone());
        tokio::spawn(listen(listener, self.node, sender));
        Ok(receiver)
    }
}

/// Passes hints on until the pool is closed. A lost connection is made anew by the listener.
async fn listen(mut listener: PgListener, node: Uuid, sender: broadcast::Sender<Hint>) {
    loop {
        let notification = match listener.recv().await {
            Ok(notification) => notification,
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                warn!(error = %error, "Hints of other nodes do not arrive; polling goes on");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                continue;
            }
        };
        match serde_json::from_str::<Payload>(notification.payload()) {
            Ok(payload) if payload.node != node => {
                let queues = payload.queues.into_iter().map(|queue| Hint::Task { queue });
                let ended = payload.ended.into_iter().map(|id| Hint::Execution { id, ended: true });
                for hint in queues.chain(ended).chain(payload.page.then_some(Hint::Page)) {
                    // Nobody listens just now: hints are not kept.
                    let _ = sender.send(hint);
                }
            }
            Ok(_) => {}
            Err(error) => debug!(error = %error, "A hint of another version is not understood"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_split_below_the_limit_of_postgres() {
        let ended = (0..1000).map(|n| Hint::Execution { id: Uuid::from_u128(n), ended: true });
        let queues = (0..100).map(|n| Hint::Task { queue: format!("{n}{}", "\"".repeat(80)) });
        let hints: Vec<_> = queues.chain(ended).chain([Hint::Page]).collect();
        let payloads = payloads(Uuid::from_u128(7), &hints);
        assert!(payloads.len() > 1 && payloads.iter().all(|payload| payload.len() < 8_000));
        let parsed: Vec<Payload> = payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
        assert_eq!(parsed.iter().map(|payload| payload.queues.len()).sum::<usize>(), 100);
        assert_eq!(parsed.iter().map(|payload| payload.ended.len()).sum::<usize>(), 1000);
        assert_eq!(parsed.iter().filter(|payload| payload.page).count(), 1);
    }

    #[test]
    fn nothing_to_hint_at_is_no_payload() {
        let timer = Hint::Timer { due_at: asl::Timestamp::from_millis(1) };
        assert_eq!(payloads(Uuid::nil(), &[timer]), Vec::<String>::new());
    }
}
