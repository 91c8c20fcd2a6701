//! One integration call: its lease is kept alive while it is made, and its outcome reported.

use std::time::Duration;

use asl::Failure;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{Services, perform};
use crate::engine::{Engine, ReportError, TakenTask};
use crate::store::{ExecutionId, NewOutboxMessage};

/// Signs of life within one lease: one may be lost, and one late.
const HEARTBEATS_PER_LEASE: u32 = 4;

/// What became of a call.
pub(super) enum Outcome {
    /// The task's result.
    Done(Value),
    /// The task's result, and a message to deliver in the same commit.
    DoneAndTell(Value, Box<NewOutboxMessage>),
    /// The task's failure.
    Failed(Failure),
    /// The call was made; somebody with the token ends the task.
    Awaited,
    /// It could not be made for reasons of this server: whoever gets the task next tries again.
    Interrupted(Box<dyn std::error::Error + Send + Sync>),
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Outcome {
    fn from(error: E) -> Self {
        Self::Interrupted(Box::new(error))
    }
}

/// A call in progress.
pub(super) struct Call {
    engine: Engine,
    services: Services,
    task: TakenTask,
    slot: Option<OwnedSemaphorePermit>,
    child: Option<ExecutionId>,
}

impl Call {
    pub(super) fn new(engine: Engine, services: Services, task: TakenTask, slot: OwnedSemaphorePermit) -> Self {
        Self { engine, services, task, slot: Some(slot), child: None }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    pub(super) fn task(&self) -> &TakenTask {
        &self.task
    }

    /// The effective input of the state.
    pub(super) fn input(&self) -> Value {
        serde_json::from_str(&self.task.input).unwrap_or_default()
    }

    /// Something else is waited for from now on, which may itself need a slot: this call holds none.
    pub(super) fn give_up_slot(&mut self) {
        self.slot = None;
    }

    /// The execution that is stopped if the task is given up.
    pub(super) fn set_child(&mut self, child: ExecutionId) {
        self.child = Some(child);
    }

    /// Makes the call and reports.
    pub(super) async fn run(mut self) {
        let (engine, token) = (self.engine.clone(), self.task.token.as_str().to_owned());
        let state = self.task.state.clone();
        let alive = keep_alive(engine.clone(), token.clone(), self.task.execution);
        let outcome = tokio::select! {
            outcome = perform(&mut self) => outcome,
            () = alive => {
                self.cancel().await;
                return;
            }
            () = engine.shutdown().cancelled() => {
                // Another node has it at once, and not when the lease ends.
                if let Err(error) = engine.release(&token).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "A call was not given back; its lease expires");
                }
                return;
            }
        };
        self.slot = None;
        let reported = match outcome {
            Outcome::Done(output) => engine.succeed(&token, output).await,
            Outcome::DoneAndTell(output, message) => engine.succeed_and_tell(&token, output, *message).await,
            Outcome::Failed(failure) => engine.fail(&token, failure).await,
            // What was sent is written down, and with that the task is nobody's of ours: its timeouts watch over it.
            Outcome::Awaited => return,
            Outcome::Interrupted(error) => {
                tracing::warn!(
                    state.name = state,
                    error = &*error,
                    "A call of `{state}` was interrupted and is made again"
                );
                return;
            }
        };
        match reported {
            // Stopped, timed out, or given to another node meanwhile.
            Ok(()) | Err(ReportError::TaskTimedOut | ReportError::InvalidToken) => {}
            Err(ReportError::Fault(error)) => {
                tracing::warn!(
                    state.name = state,
                    error = &error as &dyn std::error::Error,
                    "A call of `{state}` is made again"
                );
            }
        }
    }

    /// Nobody waits for the task any more: what it started is stopped, as well as that can be done.
    async fn cancel(&self) {
        let Some(child) = self.child else { return };
        let cause = format!("The execution that started this one gave up its state `{}`.", self.task.state);
        let failure = Failure { error: None, cause: Some(cause) };
        if let Err(error) = self.engine.stop(child, failure).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "A nested execution could not be stopped");
        }
    }
}

/// Sends signs of life; returns when the task is over or somebody else's.
async fn keep_alive(engine: Engine, token: String, execution: ExecutionId) {
    let period = engine.config().lease / HEARTBEATS_PER_LEASE;
    let mut changes = engine.changes();
    loop {
        // The end of the execution is worth a look at once; so is a heartbeat when the time has come.
        let look = tokio::time::sleep(period.max(Duration::from_millis(10)));
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = &mut look => break,
                hint = changes.recv() => match hint {
                    Ok(crate::store::Hint::Execution { id, ended: true }) if id == execution => break,
                    Ok(_) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => { look.as_mut().await; break }
                },
            }
        }
        match engine.heartbeat(&token).await {
            Ok(()) => {}
            Err(ReportError::TaskTimedOut | ReportError::InvalidToken) => return,
            // The store is away: the lease may end, or the store may be back in time.
            Err(ReportError::Fault(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "A heartbeat of a call was lost");
            }
        }
    }
}
