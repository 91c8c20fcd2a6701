//! What nobody asks for: timers that are due, leases that ran out, continuations that were lost with a node.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use asl::execution::Failure;
use asl::{Stimulus, Timestamp};
use metrics::counter;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::Engine;
use super::draft::CONTINUATION;
use super::turn::Change;
use crate::store::{DueTimer, Hint, TaskRecord, TaskStatus};

/// Timers handled in one go; more are due at the next look, which follows at once.
const TIMERS_PER_LOOK: u32 = 500;
/// How long a due timer is a node's before another may fire it.
const TIMER_RESERVE: Duration = Duration::from_secs(10);
/// The first and the longest pause while the store says that the next timer is not due and this node's clock says it is.
const AHEAD_MIN: Duration = Duration::from_millis(5);
const AHEAD_MAX: Duration = Duration::from_millis(500);
/// How often expired leases are looked for: a fraction of the shortest sensible lease.
const LEASE_LOOK: Duration = Duration::from_secs(2);
/// How often executions that stand still are looked for, and how long they must have. None should: whatever an
/// execution waits for is a task or a timer, lost continuations included.
const STALLED_LOOK: Duration = Duration::from_secs(30);
/// How often the difference to the store's clock is measured.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// Wakes the sweep when a timer is set that is due before the next look.
pub(super) struct Alarm {
    next: AtomicI64,
    bell: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { next: AtomicI64::new(i64::MAX), bell: Notify::new() }
    }
}

impl Alarm {
    /// A timer was set.
    pub(super) fn set(&self, due_at: Timestamp) {
        if self.next.fetch_min(due_at.millis(), Ordering::SeqCst) > due_at.millis() {
            self.bell.notify_one();
        }
    }
}

impl Engine {
    /// Runs the background loops until [`Engine::shut_down`].
    pub async fn run(&self) {
        let mut loops = JoinSet::new();
        let engine = self.clone();
        loops.spawn(async move { engine.run_timers().await });
        let engine = self.clone();
        loops.spawn(async move { engine.every(LEASE_LOOK, Look::Leases).await });
        let engine = self.clone();
        loops.spawn(async move { engine.every(STALLED_LOOK, Look::Stalled).await });
        let engine = self.clone();
        loops.spawn(async move { engine.every(CLOCK_LOOK, Look::Clock).await });
        let engine = self.clone();
        loops.spawn(async move { engine.listen().await });
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!(error = &error as &dyn std::error::Error, "A background loop of the engine died");
            }
        }
    }

    async fn run_timers(&self) {
        let alarm = &self.0.timers;
        let mut ahead = Duration::ZERO;
        while !self.0.shutdown.is_cancelled() {
            // Armed anew before the look, so that a timer set during it is not missed.
            alarm.next.store(i64::MAX, Ordering::SeqCst);
            let next = match self.0.store.due_timers(TIMERS_PER_LOOK, TIMER_RESERVE).await {
                Ok((due, next)) => {
                    let full = due.len() == TIMERS_PER_LOOK as usize;
                    self.fire(due).await;
                    if full {
                        continue;
                    }
                    // A clock that is ahead of the store's must not make this loop spin until the store's has caught up.
                    let is_ahead = next.is_some_and(|next| next <= self.now());
                    ahead = if is_ahead { (ahead * 2).clamp(AHEAD_MIN, AHEAD_MAX) } else { Duration::ZERO };
                    next
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "Cannot look for due timers");
                    None
                }
            };
            if let Some(next) = next {
                alarm.next.fetch_min(next.millis(), Ordering::SeqCst);
            }
            loop {
                let wait = alarm.next.load(Ordering::SeqCst).saturating_sub(self.now().millis()).max(0);
                let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0)).max(ahead).min(self.0.config.poll);
                tokio::select! {
                    biased;
                    () = self.0.shutdown.cancelled() => return,
                    () = tokio::time::sleep(wait) => break,
                    () = alarm.bell.notified() => {}
                }
            }
        }
    }

    /// Fires timers side by side; what fails is due again when its reservation ends.
    async fn fire(&self, due: Vec<DueTimer>) {
        let mut turns = JoinSet::new();
        for timer in due {
            let engine = self.clone();
            turns.spawn(async move { (timer, engine.fire_timer(timer).await) });
        }
        while let Some(turn) = turns.join_next().await {
            if let Ok((timer, Err(error))) = turn {
                tracing::warn!(
                    execution.id = %timer.execution, error = &error as &dyn std::error::Error,
                    "A timer could not be fired; it is tried again"
                );
            }
        }
    }

    /// Fires one timer.
    pub async fn fire_timer(&self, timer: DueTimer) -> Result<(), super::Error> {
        counter!("stepwell_timers_fired_total", "kind" => timer.timer.kind.as_str()).increment(1);
        let stimulus =
            if timer.timer == CONTINUATION { Stimulus::Continue } else { Stimulus::TimerFired { timer: timer.timer } };
        let change = Change { stimuli: vec![stimulus], timers_gone: vec![timer.timer], ..Change::default() };
        self.turn(timer.execution, change).await.map(drop)
    }

    async fn every(&self, period: Duration, look: Look) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.0.shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let looked = match look {
                Look::Leases => self.sweep_leases().await,
                Look::Stalled => self.sweep_stalled().await,
                Look::Clock => self.0.clock.adjust(&*self.0.store).await.map_err(super::Error::Store),
            };
            if let Err(error) = looked {
                tracing::warn!(error = &error as &dyn std::error::Error, look = ?look, "A sweep failed; it is tried again");
            }
        }
    }

    /// Gives tasks of lost workers to others, or fails them when that has happened too often.
    pub async fn sweep_leases(&self) -> Result<(), super::Error> {
        // The first delivery is none of the redeliveries.
        let deliveries_max = self.0.config.redeliveries_max.saturating_add(1);
        for row in self.0.store.expired_leases(100, deliveries_max).await? {
            if row.status == TaskStatus::Scheduled {
                counter!("stepwell_leases_expired_total").increment(1);
                tracing::warn!(
                    execution.id = %row.execution, state.name = row.state, worker.id = row.worker,
                    "The worker of `{}` gave no sign of life; the task goes to another", row.state
                );
                self.ring(&row.queue);
                self.announce(Hint::Task { queue: row.queue });
            } else if let Err(error) = self.give_up(&row).await {
                // The others must not suffer for one; it is found again at the next look.
                tracing::warn!(
                    execution.id = %row.execution, state.name = row.state, error = &error as &dyn std::error::Error,
                    "The task of `{}`, whose workers were lost, could not be failed", row.state
                );
            }
        }
        Ok(())
    }

    async fn give_up(&self, row: &TaskRecord) -> Result<(), super::Error> {
        let cause = format!(
            "The worker lost its lease {} times (last: {}): each stopped giving signs of life while it ran this task. \
             Look at the workers' logs and memory.",
            row.redeliveries + 1,
            row.worker.as_deref().unwrap_or("unnamed"),
        );
        let failure = Failure { error: Some("UNEXPECTED_ERROR".to_owned()), cause: Some(cause) };
        let failure = super::binding::worker_failure(row, failure, self.now());
        let change = Change {
            stimuli: vec![Stimulus::TaskFailed { task: row.task, failure }],
            outbox: super::give_up::message(row, self.now()).into_iter().collect(),
            ..Change::default()
        };
        self.turn(row.execution, change).await.map(drop)
    }

    /// Sends `Continue` to executions that stand still because the node that was to go on died.
    pub async fn sweep_stalled(&self) -> Result<(), super::Error> {
        for id in self.0.store.stalled(STALLED_LOOK, 100).await? {
            let change = Change { stimuli: vec![Stimulus::Continue], ..Change::default() };
            if let Err(error) = self.turn(id, change).await {
                tracing::warn!(
                    execution.id = %id, error = &error as &dyn std::error::Error,
                    "An execution that stands still could not go on"
                );
            }
        }
        Ok(())
    }

    /// Passes on what other nodes announce.
    async fn listen(&self) {
        let mut hints = match self.0.store.subscribe().await {
            Ok(Some(hints)) => hints,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "No hints from other nodes; work of theirs is found by polling"
                );
                return;
            }
        };
        loop {
            let hint = tokio::select! {
                biased;
                () = self.0.shutdown.cancelled() => return,
                hint = hints.recv() => hint,
            };
            match hint {
                Ok(hint) => {
                    match &hint {
                        Hint::Task { queue } => self.ring(queue),
                        Hint::Timer { due_at } => self.0.timers.set(*due_at),
                        Hint::Execution { .. } | Hint::Page => {}
                    }
                    self.announce(hint);
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => self.ring_all(),
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Look {
    Leases,
    Stalled,
    Clock,
}
