//! What the orchestrator performs itself: calls of services that are not a worker's.
//!
//! They are tasks like any other, taken from a queue of their own and held by a lease: a node that dies in the middle loses
//! its lease, and another one goes on. What was submitted is written down before it is waited for, so a crash resumes the
//! wait instead of submitting twice. Nothing here decides: the call is made, its answer or failure reported.
//!
//! | resource | file |
//! |---|---|
//! | `sns:publish` | `sns` |
//! | `states:startExecution`, `.sync`, `.sync:2` | `states` |
//! | `glue:startJobRun`, `.sync` of jobs that are AWS Glue's | `glue_job` |
//! | `aws-sdk:glue:startCrawler`, `getCrawler` | `glue_crawler`; of crawlers that are AWS Glue's `aws_crawler` |

mod aws_crawler;
mod call;
mod catalog;
mod glue_crawler;
mod glue_job;
mod glue_run;
mod sns;
mod states;

use std::sync::Arc;
use std::time::Duration;

use asl::Failure;
use asl::definition::{Pattern, Resource};
use aws::{GlueJobs, Notifications};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::engine::{Engine, TakenTask};
use crate::store::INTEGRATION_QUEUE;
use call::{Call, Outcome};

pub(crate) use catalog::registered_tables;
pub(crate) use glue_crawler::crawled_tables;
pub use glue_job::Pace;
pub(crate) use glue_job::stop_job_run;

/// Pollers of the queue: enough that a burst is handed over within its commits, few enough to cost nothing when idle.
const TAKERS: usize = 4;
/// How long one poll waits.
const TAKE_WAIT: Duration = Duration::from_secs(60);
/// The pause after the store refused a poll.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// What calls are made with.
#[derive(Clone, Default)]
pub struct Services {
    /// SNS, if it is configured.
    pub sns: Option<Arc<dyn Notifications>>,
    /// AWS Glue, for jobs and crawlers that are its.
    pub glue: Option<Arc<dyn GlueJobs>>,
    /// How often runs of AWS Glue are looked at.
    pub glue_pace: Pace,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("sns", &self.sns.is_some())
            .field("glue", &self.glue.is_some())
            .field("glue_pace", &self.glue_pace)
            .finish()
    }
}

/// Performs integration calls until the engine shuts down; what is in progress then goes back to the queue.
pub async fn run(engine: Engine, services: Services) {
    let slots = Arc::new(Semaphore::new(engine.config().integration_slots));
    let mut takers = JoinSet::new();
    for _ in 0..TAKERS {
        takers.spawn(take(engine.clone(), services.clone(), slots.clone()));
    }
    while takers.join_next().await.is_some() {}
}

async fn take(engine: Engine, services: Services, slots: Arc<Semaphore>) {
    let mut calls = JoinSet::new();
    while !engine.shutdown().is_cancelled() {
        while calls.try_join_next().is_some() {}
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot.expect("the semaphore is never closed"),
            () = engine.shutdown().cancelled() => break,
        };
        match engine.take(INTEGRATION_QUEUE, Some(INTEGRATION_QUEUE), TAKE_WAIT).await {
            Ok(Some(task)) => {
                let call = Call::new(engine.clone(), services.clone(), task, slot);
                calls.spawn(call.run());
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "Integration calls cannot be taken; it is tried again"
                );
                tokio::select! {
                    () = tokio::time::sleep(FAULT_PAUSE) => {}
                    () = engine.shutdown().cancelled() => {}
                }
            }
        }
    }
    while calls.join_next().await.is_some() {}
}

/// Makes the call that a task stands for.
async fn perform(call: &mut Call) -> Outcome {
    let TakenTask { resource, .. } = call.task();
    let Resource::Service { service, api, pattern } = resource.clone() else {
        return Outcome::Failed(unsupported(&format!("{resource:?}")));
    };
    let called = (service.as_str(), api.as_str(), pattern);
    match called {
        ("sns", "publish", Pattern::RequestResponse | Pattern::WaitForTaskToken) => sns::publish(call, pattern).await,
        ("states", "startExecution", pattern) => states::start_execution(call, pattern).await,
        ("glue", "startJobRun", Pattern::RequestResponse | Pattern::Sync) => {
            glue_job::start_job_run(call, pattern).await
        }
        ("aws-sdk:glue", "startCrawler", Pattern::RequestResponse) => glue_crawler::start(call).await,
        ("aws-sdk:glue", "getCrawler", Pattern::RequestResponse) => glue_crawler::get(call).await,
        _ => {
            let suffix = pattern.suffix();
            Outcome::Failed(unsupported(&format!("arn:aws:states:::{service}:{api}{suffix}")))
        }
    }
}

fn unsupported(resource: &str) -> Failure {
    Failure::new(
        "Stepwell.UnsupportedIntegration",
        format!(
            "`{resource}` is not performed by this server. Call it from an activity or function of a worker instead, or run \
             this state machine on AWS."
        ),
    )
}
