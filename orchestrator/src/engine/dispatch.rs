//! Who waits for tasks on this node, and how a task reaches them.
//!
//! A turn that makes a task visible looks here first: if somebody waits, the task is started for them within the same
//! commit. Otherwise it becomes a visible row, and a look (`look`) finds it for whoever waits next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use asl::definition::Pattern;
use asl::execution::Resource;
use asl::{TaskId, TaskToken};
use metrics::counter;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::error::Error;
use super::parcel::Parcel;
use super::{Engine, Inner};
use crate::store::{ExecutionId, TaskRecord, TaskStart};

/// How long a look that found nothing is believed. Whatever becomes visible on this node rings, and other nodes send
/// hints; this is what a lost hint costs at most.
const EMPTY_BELIEVED: Duration = Duration::from_millis(200);
/// Queues that nobody waits for are forgotten beyond this many.
const QUEUES_MAX: usize = 1_000;

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

impl TakenTask {
    /// The task of a row that has been started with this token.
    pub(super) fn of(row: &TaskRecord, token: TaskToken) -> Self {
        Self {
            execution: row.execution,
            task: row.task,
            token,
            input: row.input.clone(),
            resource: row.resource.clone(),
            state: row.state.clone(),
            submission: row.submission.clone(),
        }
    }
}

struct Waiter {
    number: u64,
    worker: Option<String>,
    handover: oneshot::Sender<Parcel>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    /// Goes up when a row may have become visible that nobody was handed.
    rung: u64,
    /// Whether a look is under way.
    looking: bool,
    /// Told when a look is over.
    looked: Arc<Notify>,
    /// When a look found that nothing more is visible; `None` once it may have changed.
    empty_at: Option<Instant>,
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

/// What a poller is told when it asks for a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Begin one.
    Begin,
    /// One is under way, and it is for all who wait.
    UnderWay,
    /// Nothing is there, as far as this node knows.
    Needless,
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

    /// A row of `queue` may have become visible; whether somebody waits for one.
    pub(super) fn ring(&self, queue: &str) -> bool {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(queue) else { return false };
        queue.rung += 1;
        queue.empty_at = None;
        !queue.waiting.is_empty()
    }

    /// The queues that somebody waits for or has waited for of late.
    pub(super) fn known_queues(&self) -> Vec<String> {
        self.queues.lock().keys().cloned().collect()
    }

    pub(super) fn waiting(&self, queue: &str) -> usize {
        self.queues
            .lock()
            .get(queue)
            .map_or(0, |queue| queue.waiting.iter().filter(|w| !w.handover.is_closed()).count())
    }

    fn enter(&self, name: &str, worker: Option<String>) -> (u64, oneshot::Receiver<Parcel>, Arc<Notify>) {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (handover, receiver) = oneshot::channel();
        let mut queues = self.queues.lock();
        if queues.len() >= QUEUES_MAX && !queues.contains_key(name) {
            queues.retain(|_, queue| queue.looking || !queue.waiting.is_empty());
        }
        let queue = queues.entry(name.to_owned()).or_default();
        queue.waiting.push_back(Waiter { number, worker, handover });
        (number, receiver, queue.looked.clone())
    }

    /// Leaves the room; `false` if a turn has chosen this poller already.
    fn leave(&self, queue: &str, number: u64) -> bool {
        let mut queues = self.queues.lock();
        let Some(entry) = queues.get_mut(queue) else { return false };
        let before = entry.waiting.len();
        entry.waiting.retain(|waiter| waiter.number != number);
        entry.waiting.len() < before
    }

    /// Whether this poller still waits; if not, a turn has chosen it and its commit is on its way.
    fn is_in_the_room(&self, queue: &str, number: u64) -> bool {
        let queues = self.queues.lock();
        queues.get(queue).is_some_and(|queue| queue.waiting.iter().any(|waiter| waiter.number == number))
    }

    /// Whether a look of `queue` is to begin now: not if one found nothing within this time.
    pub(super) fn ask_for_look(&self, queue: &str, believed: Duration) -> Look {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(queue) else { return Look::Needless };
        if queue.looking {
            return Look::UnderWay;
        }
        if queue.empty_at.is_some_and(|at| at.elapsed() < believed) {
            return Look::Needless;
        }
        queue.looking = true;
        Look::Begin
    }

    /// How many wait, and what [`Dispatch::ring`] has counted so far; `None` if nobody waits any more, and then the look is
    /// over.
    pub(super) fn wanted(&self, queue: &str) -> Option<(u32, u64)> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(queue)?;
        let waiting = queue.waiting.iter().filter(|waiter| !waiter.handover.is_closed()).count();
        if waiting == 0 {
            queue.end_look();
            return None;
        }
        Some((u32::try_from(waiting).unwrap_or(u32::MAX), queue.rung))
    }

    /// The look found less than was wanted. Unless somebody rang since, nothing is left and the look is over.
    pub(super) fn found_all(&self, queue: &str, rung: u64) -> bool {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(queue) else { return true };
        let is_all = queue.rung == rung;
        if is_all {
            queue.empty_at = Some(Instant::now());
            queue.end_look();
        }
        is_all
    }

    /// The look failed; the next begins a little later.
    pub(super) fn look_failed(&self, queue: &str) {
        if let Some(queue) = self.queues.lock().get_mut(queue) {
            queue.empty_at = Some(Instant::now());
            queue.end_look();
        }
    }
}

impl Queue {
    fn end_look(&mut self) {
        self.looking = false;
        self.looked.notify_waiters();
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
        let kept = scheduled.filter(|_| is_callback(resource)).cloned();
        kept.unwrap_or_else(|| TaskToken::new(execution.as_u128(), task, self.chance.bytes()))
    }
}

/// Whether the task's token is given away, to be ended by whoever gets it.
pub(super) fn is_callback(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { pattern: Pattern::WaitForTaskToken, .. })
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
    /// Waits up to `wait` for a task of `queue` and starts it for `worker`; what is visible already is found however short
    /// `wait` is.
    ///
    /// While the store is away the poll goes on waiting. Safe to drop at any time: a task that was handed over to a poll
    /// nobody reads any more becomes visible again.
    pub async fn take(&self, queue: &str, worker: Option<&str>, wait: Duration) -> Result<Option<TakenTask>, Error> {
        let deadline = Instant::now() + wait;
        'again: loop {
            let (number, mut handover, looked) = self.0.dispatch.enter(queue, worker.map(str::to_owned));
            let _place = Place { inner: &self.0, queue, number };
            // Whoever waits in the room is handed a new task within its commit; what became visible before is looked for.
            let mut until = Instant::now() + EMPTY_BELIEVED;
            loop {
                let over = looked.notified();
                tokio::pin!(over);
                over.as_mut().enable();
                if self.look(queue, EMPTY_BELIEVED) == Look::Needless {
                    break;
                }
                tokio::select! {
                    biased;
                    taken = &mut handover => match taken {
                        Ok(parcel) => return Ok(Some(parcel.open())),
                        Err(_) => continue 'again,
                    },
                    () = over => {}
                    () = self.0.shutdown.cancelled() => break,
                }
                until = Instant::now() + self.0.config.poll;
                if !self.0.dispatch.is_in_the_room(queue, number) {
                    break;
                }
            }
            loop {
                tokio::select! {
                    biased;
                    taken = &mut handover => match taken {
                        Ok(parcel) => return Ok(Some(parcel.open())),
                        // The commit that chose this poller failed, or its task was gone.
                        Err(_) => break,
                    },
                    () = tokio::time::sleep_until(until.min(deadline)) => {}
                    () = self.0.shutdown.cancelled() => {}
                }
                if Instant::now() >= deadline || self.0.shutdown.is_cancelled() {
                    if !self.0.dispatch.leave(queue, number)
                        && let Ok(parcel) = handover.await
                    {
                        // Chosen at the last moment: the task is on its way.
                        return Ok(Some(parcel.open()));
                    }
                    return Ok(None);
                }
                // Those who wait for the same queue share their looks; none is older than the longest pause.
                let half = self.0.config.poll / 2;
                let is_needless = self.look(queue, half) == Look::Needless;
                until = Instant::now() + if is_needless { half } else { self.0.config.poll };
            }
        }
    }

    /// A row of `queue` may have become visible: whoever waits for one gets it.
    pub(super) fn ring(&self, queue: &str) {
        if self.0.dispatch.ring(queue) {
            self.look(queue, Duration::ZERO);
        }
    }

    /// [`Engine::ring`] for every queue.
    pub(super) fn ring_all(&self) {
        for queue in self.0.dispatch.known_queues() {
            self.ring(&queue);
        }
    }
}
