//! A task in hand: heartbeats from the moment it was handed out until its end is reported, a slot to work in, then the
//! job or function itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::client::{Backoff, CallError, Claimed};
use crate::completion::complete;
use crate::logs::JobLog;
use crate::outcome::Outcome;
use crate::poller::{Activity, Serves};
use crate::report::Delivery;
use crate::worker::Worker;
use crate::{function, job_process};

/// A task this worker owns, as long as `gone` is not cancelled.
pub(crate) struct Task<'a> {
    pub worker: &'a Worker,
    /// The activity's name, for people.
    pub activity: &'a str,
    pub claimed: &'a Claimed,
    /// Cancelled when the service says that the task is no longer this worker's.
    pub gone: CancellationToken,
}

impl Task<'_> {
    /// Proof of ownership.
    pub fn token(&self) -> &str {
        &self.claimed.token
    }

    /// Resolves when nothing more may be waited for: the task is gone, or the worker's time is over.
    pub async fn ended_early(&self) {
        tokio::select! {
            () = self.gone.cancelled() => {}
            () = self.worker.stop.cancelled() => {}
            () = self.worker.now.cancelled() => {}
        }
    }
}

/// Takes a task from its hand-out to its reported end. `slot` is missing if none was free at hand-out.
pub(crate) async fn serve(
    worker: Arc<Worker>,
    activity: Arc<Activity>,
    claimed: Claimed,
    slot: Option<OwnedSemaphorePermit>,
) {
    let _running = worker.note_running(&activity.name);
    let gone = CancellationToken::new();
    let task = Task { worker: &worker, activity: &activity.name, claimed: &claimed, gone: gone.clone() };
    info!(activity.name = activity.name, "Took a task of `{}`", activity.name);
    tokio::select! {
        () = work(&task, &activity, slot) => {}
        never = heartbeats(&task) => match never {},
    }
}

async fn work(task: &Task<'_>, activity: &Activity, slot: Option<OwnedSemaphorePermit>) {
    let slot = match slot {
        Some(slot) => slot,
        None => match wait_for_slot(task, activity).await {
            Some(slot) => slot,
            None => return,
        },
    };
    match &activity.serves {
        Serves::Job(job) => job_process::serve(task, job, None, slot).await,
        Serves::JobOnSpark(job) => {
            job_process::serve(task, job, task.worker.settings.spark_remote.as_deref(), slot).await;
        }
        Serves::Function(function) => function::serve(task, function, slot).await,
    }
}

/// Several polls may bring a task when one slot is free. Those that find none wait here, with heartbeats, and are given
/// back when the worker is to stop.
async fn wait_for_slot(task: &Task<'_>, activity: &Activity) -> Option<OwnedSemaphorePermit> {
    let slots = activity.serves.slots(task.worker);
    let permit = slots.clone().acquire_owned();
    tokio::pin!(permit);
    tokio::select! {
        permit = &mut permit => return permit.ok(),
        () = task.ended_early() => {}
        () = task.worker.drain.cancelled() => {
            if task.worker.reports.release(task.token()).await == Delivery::Delivered {
                return None;
            }
            // Nobody else can be given it now; it gets its turn while the worker drains.
            tokio::select! {
                permit = &mut permit => return permit.ok(),
                () = task.ended_early() => {}
            }
        }
    }
    if !task.gone.is_cancelled() {
        complete(task, Outcome::GivenBack, &JobLog::default(), None).await;
    }
    None
}

/// Keeps the lease alive and learns of its loss: there is no other way a worker hears of StopExecution.
async fn heartbeats(task: &Task<'_>) -> Infallible {
    let every = task.worker.settings.heartbeat_every;
    let mut backoff = Backoff::new();
    let mut away = false;
    let mut pause = every;
    loop {
        tokio::time::sleep(pause).await;
        pause = every;
        match task.worker.client.heartbeat(task.token()).await {
            Ok(()) => {
                if std::mem::replace(&mut away, false) {
                    info!(activity.name = task.activity, "The service is back; the task goes on");
                }
                backoff.reset();
            }
            Err(CallError::Gone(why)) => {
                info!(activity.name = task.activity, "Stopping a task: {why}");
                task.gone.cancel();
                return std::future::pending().await;
            }
            Err(CallError::Unavailable(why)) => {
                if !std::mem::replace(&mut away, true) {
                    warn!(activity.name = task.activity, "Cannot send a heartbeat, the task goes on meanwhile: {why}");
                }
                pause = backoff.pause().min(every).max(Duration::from_millis(10));
            }
            Err(refused @ CallError::Refused { .. }) => {
                if !std::mem::replace(&mut away, true) {
                    warn!(activity.name = task.activity, "A heartbeat was not accepted, the task goes on: {refused}");
                }
            }
        }
    }
}
