//! Looking for visible rows of a queue, for all who wait for one on this node.
//!
//! One look is under way per queue, however many poll: it reserves as many rows as there are pollers in one statement,
//! and their starts find themselves in one transaction. It goes on until nothing visible is left or nobody waits.

use std::time::Duration;

use asl::Stimulus;

use super::dispatch::{Chosen, Look, TakenTask};
use super::error::Error;
use super::parcel::Parcel;
use super::turn::{Change, Effect};
use super::{Engine, Inner, binding};
use crate::store::{TaskChange, TaskRecord};

/// Rows reserved by one statement.
const CLAIM_MAX: u32 = 256;

/// A look that ends before its time (the store failed, the runtime stops) is over, too.
struct Looking<'a> {
    inner: &'a Inner,
    queue: &'a str,
    is_over: bool,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.dispatch.look_failed(self.queue);
        }
    }
}

impl Engine {
    /// Begins a look, unless one is under way or one found nothing within this time.
    pub(super) fn look(&self, queue: &str, believed: Duration) -> Look {
        let asked = self.0.dispatch.ask_for_look(queue, believed);
        if asked == Look::Begin {
            let (engine, queue) = (self.clone(), queue.to_owned());
            // It goes on if the poller that began it goes away: others rely on it, and what it has reserved finds a taker.
            tokio::spawn(async move { engine.look_for_rows(&queue).await });
        }
        asked
    }

    async fn look_for_rows(&self, queue: &str) {
        let inner = &*self.0;
        let mut looking = Looking { inner, queue, is_over: false };
        let queues = [queue.to_owned()];
        while let Some((wanted, rung)) = inner.dispatch.wanted(queue) {
            let limit = wanted.min(CLAIM_MAX);
            let rows = match inner.store.claim(&queues, limit, inner.config.reserve).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Tasks of `{queue}` cannot be looked for; it is tried again"
                    );
                    return;
                }
            };
            let is_all = rows.len() < limit as usize;
            let mut unwanted = Vec::new();
            for row in rows {
                let token = || inner.taker_token(&row.resource, row.token.as_ref(), row.execution, row.task);
                match inner.dispatch.choose(queue, token) {
                    Some(chosen) => {
                        let engine = self.clone();
                        tokio::spawn(async move { engine.start_for(chosen, row).await });
                    }
                    // Turns handed the pollers other tasks meanwhile, or they went away.
                    None => unwanted.push((row.execution, row.task)),
                }
            }
            if !unwanted.is_empty() {
                if let Err(error) = inner.store.unclaim(&unwanted).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Tasks of `{queue}` cannot be given back; they are visible again in {} s",
                        inner.config.reserve.as_secs()
                    );
                }
                inner.dispatch.ring(queue);
            } else if is_all && inner.dispatch.found_all(queue, rung) {
                break;
            }
        }
        looking.is_over = true;
    }

    /// Starts a reserved row for a poller: the turn that makes it this worker's.
    async fn start_for(&self, chosen: Chosen, row: TaskRecord) {
        let start = chosen.start.clone();
        let task = row.task;
        let started = Stimulus::TaskStarted { task, worker: start.worker.clone() };
        let submitted = binding::submitted_by_start(&row.queue, &row.resource, row.execution, task, &row.input);
        let change = Change {
            stimuli: std::iter::once(started).chain(submitted).collect(),
            tasks: vec![TaskChange::Start { task, start: start.clone() }],
            ..Change::default()
        };
        let effect = self.take_turn(row.execution, &change).await;
        let parcel = Parcel::new(self, TakenTask::of(&row, start.token.clone()));
        match effect {
            Ok(Effect::Committed) => {
                self.0.tasks.put(row.started(start, self.now()));
                chosen.send(parcel);
            }
            // Nothing was started, so there is nothing to give back. The poller looks again.
            Ok(Effect::Nothing) => drop(parcel.open()),
            // Perhaps it was started after all: the dropped parcel sees to that.
            Err(error) => log_lost_start(&error),
        }
    }
}

fn log_lost_start(error: &Error) {
    tracing::warn!(error = error as &dyn std::error::Error, "A task could not be started for a waiting poller");
}
