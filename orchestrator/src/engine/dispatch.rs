//! Who waits for tasks on this node, and how a task reaches them.
//!
//! A turn that makes a task visible looks here first: if somebody waits, the task is started for them within the same
//! commit. Otherwise it becomes a visible row, and whoever polls next claims it: reserve in the store, start by a turn.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use asl::definition::Pattern;
use asl::execution::Resource;
use asl::{Stimulus, TaskId, TaskToken};
use metrics::counter;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::binding;
use super::error::Error;
use super::parcel::Parcel;
use super::turn::{Change, Effect};
use super::{Engine, Inner};
use crate::store::{ExecutionId, TaskChange, TaskRecord, TaskStart};

/// A task its taker has started.
#[derive(Clone, Debug)]
pub struct TakenTask {
    /// Of which execution.
    pub execution: ExecutionId,
    /// The task.
    pub task: TaskId,
    /// What to report with.
    pub token: TaskToken,
    /// JSON text.
    pub input: String,
    /// What was called.
    pub resource: Resource,
    /// The state's name.
    pub state: String,
    /// What somebody before submitted for it, when this is a redelivery.
    pub submission: Option<serde_json::Value>,
}

struct Waiter {
    number: u64,
    worker: Option<String>,
    handover: oneshot::Sender<Parcel>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    /// Rung when a row of this queue became visible that nobody was handed.
    bell: std::sync::Arc<Notify>,
}

/// The waiting room.
#[derive(Default)]
pub(super) struct Dispatch {
    queues: Mutex<BTreeMap<String, Queue>>,
    next: std::sync::atomic::AtomicU64,
}

/// A poller that a turn has chosen; the task is sent once the commit is durable.
pub(super) struct Chosen {
    pub(super) start: TaskStart,
    handover: oneshot::Sender<Parcel>,
}

impl Chosen {
    /// Sends the task. If the poller has gone away meanwhile, the parcel takes the task back.
    pub(super) fn send(self, parcel: Parcel) {
        counter!("stepwell_tasks_handed_over_total").increment(1);
        // What comes back is the parcel, and dropping it is all there is to do.
        let _ = self.handover.send(parcel);
    }
}

impl Dispatch {
    /// Takes the longest waiting poller of `queue` out of the room, for a task that will have this token.
    pub(super) fn choose(&self, queue: &str, token: impl FnOnce() -> TaskToken) -> Option<Chosen> {
        let mut queues = self.queues.lock();
        let waiting = &mut queues.get_mut(queue)?.waiting;
        loop {
            let waiter = waiting.pop_front()?;
            if waiter.handover.is_closed() {
                continue;
            }
            let start = TaskStart { worker: waiter.worker, token: token() };
            return Some(Chosen { start, handover: waiter.handover });
        }
    }

    /// Tells the pollers of `queue` that a row became visible.
    pub(super) fn ring(&self, queue: &str) {
        if let Some(queue) = self.queues.lock().get(queue) {
            queue.bell.notify_waiters();
        }
    }

    /// Tells all pollers of all queues to look again.
    pub(super) fn ring_all(&self) {
        for queue in self.queues.lock().values() {
            queue.bell.notify_waiters();
        }
    }

    pub(super) fn waiting(&self, queue: &str) -> usize {
        self.queues
            .lock()
            .get(queue)
            .map_or(0, |queue| queue.waiting.iter().filter(|w| !w.handover.is_closed()).count())
    }

    fn enter(&self, queue: &str, worker: Option<String>) -> (u64, oneshot::Receiver<Parcel>, std::sync::Arc<Notify>) {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (handover, receiver) = oneshot::channel();
        let mut queues = self.queues.lock();
        let queue = queues.entry(queue.to_owned()).or_default();
        queue.waiting.push_back(Waiter { number, worker, handover });
        (number, receiver, queue.bell.clone())
    }

    /// Leaves the room; `false` if a turn has chosen this poller already.
    fn leave(&self, queue: &str, number: u64) -> bool {
        let mut queues = self.queues.lock();
        let Some(entry) = queues.get_mut(queue) else { return false };
        let before = entry.waiting.len();
        entry.waiting.retain(|waiter| waiter.number != number);
        let left = entry.waiting.len() < before;
        if entry.waiting.is_empty() && std::sync::Arc::strong_count(&entry.bell) <= 2 {
            queues.remove(queue);
        }
        left
    }
}

impl Inner {
    /// The token that whoever takes the task now reports with.
    ///
    /// A callback's is out in the world since the task was scheduled, and stays in force whoever takes it. All others are
    /// made anew for every taker, so that one whose task was given to somebody else reports in vain.
    pub(super) fn taker_token(
        &self,
        resource: &Resource,
        scheduled: Option<&TaskToken>,
        execution: ExecutionId,
        task: TaskId,
    ) -> TaskToken {
        let callback = matches!(resource, Resource::Service { pattern: Pattern::WaitForTaskToken, .. });
        let kept = scheduled.filter(|_| callback).cloned();
        kept.unwrap_or_else(|| TaskToken::new(execution.as_u128(), task, self.chance.bytes()))
    }
}

/// What a look at the store's rows brought.
enum Claim {
    /// A task, started.
    Task(Parcel),
    /// A turn hands this poller a task at this moment.
    Chosen,
    /// The row was gone when the turn came; the poller has left the room and has to look again.
    Again,
    /// Nothing visible.
    Empty,
}

/// Leaves the waiting room when the poll ends, however it ends.
struct Place<'a> {
    inner: &'a Inner,
    queue: &'a str,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.dispatch.leave(self.queue, self.number);
    }
}

impl Engine {
    /// Waits up to `wait` for a task of `queue` and starts it for `worker`.
    ///
    /// Safe to drop at any time: a task that was handed over to a poll nobody reads any more becomes visible again.
    pub async fn take(&self, queue: &str, worker: Option<&str>, wait: Duration) -> Result<Option<TakenTask>, Error> {
        let deadline = Instant::now() + wait;
        loop {
            let (number, mut handover, bell) = self.0.dispatch.enter(queue, worker.map(str::to_owned));
            let _place = Place { inner: &self.0, queue, number };
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            // Whoever waits in the room is handed a new task within its commit; what became visible before is found here.
            match self.claim(queue, worker, number).await? {
                Claim::Task(parcel) => return Ok(Some(parcel.open())),
                Claim::Chosen => {
                    if let Ok(parcel) = handover.await {
                        return Ok(Some(parcel.open()));
                    }
                    continue;
                }
                Claim::Again => continue,
                Claim::Empty => {}
            }
            let until = deadline.min(Instant::now() + self.0.config.poll);
            tokio::select! {
                biased;
                taken = &mut handover => match taken {
                    Ok(parcel) => return Ok(Some(parcel.open())),
                    // The commit that chose this poller failed.
                    Err(_) => continue,
                },
                () = rung => {}
                () = tokio::time::sleep_until(until) => {}
                () = self.0.shutdown.cancelled() => {}
            }
            if !self.0.dispatch.leave(queue, number)
                && let Ok(parcel) = handover.await
            {
                // Chosen at the last moment: the task is on its way.
                return Ok(Some(parcel.open()));
            }
            if Instant::now() >= deadline || self.0.shutdown.is_cancelled() {
                return Ok(None);
            }
        }
    }

    /// Claims a visible row for a poller that stands in the waiting room.
    async fn claim(&self, queue: &str, worker: Option<&str>, number: u64) -> Result<Claim, Error> {
        let queues = [queue.to_owned()];
        let claimed = self.0.store.claim(&queues, 1, self.0.config.reserve).await?;
        let Some(row) = claimed.into_iter().next() else { return Ok(Claim::Empty) };
        if !self.0.dispatch.leave(queue, number) {
            // A turn was faster and hands this poller another task: give the row back.
            self.0.store.unclaim(&[(row.execution, row.task)]).await?;
            self.0.dispatch.ring(queue);
            return Ok(Claim::Chosen);
        }
        match self.start_claimed(row, worker).await? {
            Some(parcel) => Ok(Claim::Task(parcel)),
            None => Ok(Claim::Again),
        }
    }

    /// Starts a reserved row: the turn that makes it this worker's. `None` if it was gone.
    async fn start_claimed(&self, row: TaskRecord, worker: Option<&str>) -> Result<Option<Parcel>, Error> {
        let (engine, worker) = (self.clone(), worker.map(str::to_owned));
        // The start goes on if its poller goes away: nobody opens the parcel then, and it takes the task back.
        tokio::spawn(async move { engine.start_row(row, worker).await }).await.map_err(|_| Error::ShuttingDown)?
    }

    async fn start_row(&self, row: TaskRecord, worker: Option<String>) -> Result<Option<Parcel>, Error> {
        let token = self.0.taker_token(&row.resource, row.token.as_ref(), row.execution, row.task);
        let start = TaskStart { worker: worker.clone(), token: token.clone() };
        let mut stimuli = vec![Stimulus::TaskStarted { task: row.task, worker }];
        stimuli.extend(binding::submitted_by_start(&row.queue, &row.resource, row.execution, row.task, &row.input));
        let change = Change { stimuli, tasks: vec![TaskChange::Start { task: row.task, start }], ..Change::default() };
        let started = self.take_turn(row.execution, &change).await;
        let parcel = Parcel::new(
            self,
            TakenTask {
                execution: row.execution,
                task: row.task,
                token,
                input: row.input,
                resource: row.resource,
                state: row.state,
                submission: row.submission,
            },
        );
        match started {
            Ok(Effect::Committed) => Ok(Some(parcel)),
            Ok(Effect::Nothing) => {
                // Nothing was started: there is nothing to give back.
                parcel.open();
                Ok(None)
            }
            // Perhaps it was started after all: the dropped parcel sees to that.
            Err(error) => Err(error),
        }
    }
}
