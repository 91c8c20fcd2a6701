//! One activity: registered once, then polled for as long as the worker takes tasks and has a slot to work in.
//!
//! Every activity has one poll of its own, so that none waits behind another's minute. Two polls may then bring a task
//! for the last free slot; the second one waits in `task.rs`. A poll that is open is never simply dropped: the answer
//! under way might hold a task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::client::{Backoff, CallError};
use crate::function::Function;
use crate::task;
use crate::worker::Worker;

/// An empty answer sooner than this means that the server does not hold polls open; then the worker paces itself.
const POLL_HELD_MIN: Duration = Duration::from_secs(1);
const PACE: Duration = Duration::from_millis(200);

/// An activity this worker serves.
pub(crate) struct Activity {
    /// The name with the environment.
    pub name: String,
    pub serves: Serves,
}

/// What stands behind an activity.
pub(crate) enum Serves {
    /// A job of the registry, by its name there.
    Job(String),
    /// A job of the registry with its SQL on Spark.
    JobOnSpark(String),
    /// A function.
    Function(Function),
}

impl Serves {
    /// The slots its tasks work in.
    pub fn slots<'a>(&self, worker: &'a Worker) -> &'a Arc<Semaphore> {
        match self {
            Serves::Job(_) | Serves::JobOnSpark(_) => &worker.job_slots,
            Serves::Function(_) => &worker.function_slots,
        }
    }
}

/// Serves the activity until the worker drains.
pub(crate) async fn poll(worker: Arc<Worker>, activity: Arc<Activity>) {
    let mut backoff = Backoff::new();
    let mut away = false;
    while let Some(arn) = register(&worker, &activity).await {
        loop {
            let slots = activity.serves.slots(&worker);
            tokio::select! {
                biased;
                () = worker.drain.cancelled() => return,
                // Only to know that one is free; it is taken when a task is there.
                free = slots.acquire() => drop(free),
            }
            let asked_at = Instant::now();
            let answer = tokio::select! {
                answer = worker.client.get_task(&arn, &worker.settings.name) => answer,
                () = worker.polls_over.cancelled() => return,
            };
            match answer {
                Ok(Some(claimed)) => {
                    let slot = slots.clone().try_acquire_owned().ok();
                    worker.tasks.spawn(task::serve(worker.clone(), activity.clone(), claimed, slot));
                    backoff.reset();
                    continue;
                }
                Ok(None) => {
                    if std::mem::replace(&mut away, false) {
                        info!(activity.name = activity.name, "Polling `{}` again", activity.name);
                    }
                    backoff.reset();
                    if asked_at.elapsed() < POLL_HELD_MIN {
                        pause(&worker, PACE).await;
                    }
                }
                Err(CallError::Refused { name, .. }) if name == "ActivityDoesNotExist" => break,
                Err(error) => {
                    if !std::mem::replace(&mut away, true) {
                        warn!(activity.name = activity.name, "Cannot poll `{}`, trying on: {error}", activity.name);
                    }
                    pause(&worker, backoff.pause()).await;
                }
            }
        }
        // Deleted under us: registered again, but not in a tight loop.
        pause(&worker, backoff.pause()).await;
    }
}

/// The activity's ARN, as soon as the server can be reached; nothing if the worker is to stop before.
async fn register(worker: &Worker, activity: &Activity) -> Option<String> {
    let mut backoff = Backoff::new();
    let mut warned = false;
    while !worker.drain.is_cancelled() {
        match worker.client.create_activity(&activity.name).await {
            Ok(arn) => {
                info!(activity.name = activity.name, activity.arn = arn, "Serving `{}`", activity.name);
                return Some(arn);
            }
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    warn!(activity.name = activity.name, "Cannot register `{}`, trying on: {error}", activity.name);
                }
                pause(worker, backoff.pause()).await;
            }
        }
    }
    None
}

async fn pause(worker: &Worker, pause: Duration) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = worker.drain.cancelled() => {}
    }
}
