//! What workers and callbacks say of tasks.

use std::sync::Arc;

use asl::execution::Failure;
use asl::{Stimulus, TaskToken};
use serde_json::Value;

use super::dispatch::is_callback;
use super::error::{Error, ReportError};
use super::turn::{Change, Effect};
use super::{Engine, binding};
use crate::store::{Hint, NewOutboxMessage, TaskChange, TaskRecord};

impl Engine {
    /// The open task of a token.
    pub async fn task_of(&self, token: &str) -> Result<TaskRecord, ReportError> {
        let (token, execution, task) = TaskToken::parse(token).ok_or(ReportError::InvalidToken)?;
        let row = self.0.store.task(uuid::Uuid::from_u128(execution), task).await?;
        row.filter(|row| row.token.as_ref() == Some(&token)).ok_or(ReportError::TaskTimedOut)
    }

    /// [`Engine::task_of`] without asking the store for a task that this node handed out. Whoever acts on it has the commit
    /// check the token: another node may have given the task to somebody else since.
    async fn known_task(&self, token: &str) -> Result<Arc<TaskRecord>, ReportError> {
        let (parsed, execution, task) = TaskToken::parse(token).ok_or(ReportError::InvalidToken)?;
        match self.0.tasks.get(uuid::Uuid::from_u128(execution), task, &parsed) {
            Some(known) => Ok(known),
            None => self.task_of(token).await.map(Arc::new),
        }
    }

    /// The task is done. A second report finds it gone.
    pub async fn succeed(&self, token: &str, output: Value) -> Result<(), ReportError> {
        let row = self.known_task(token).await?;
        let output = Arc::new(binding::success(&row, output, self.now()));
        self.report(&row, Stimulus::TaskSucceeded { task: row.task, output }, Vec::new()).await
    }

    /// The task failed.
    pub async fn fail(&self, token: &str, failure: Failure) -> Result<(), ReportError> {
        let row = self.known_task(token).await?;
        let failure = binding::worker_failure(&row, failure, self.now());
        self.report(&row, Stimulus::TaskFailed { task: row.task, failure }, Vec::new()).await
    }

    /// Whoever has the task is alive: its heartbeat clock and its lease start again.
    pub async fn heartbeat(&self, token: &str) -> Result<(), ReportError> {
        let (token, execution, task) = TaskToken::parse(token).ok_or(ReportError::InvalidToken)?;
        let alive = self.0.store.heartbeat(uuid::Uuid::from_u128(execution), task, &token).await?;
        alive.then_some(()).ok_or(ReportError::TaskTimedOut)
    }

    /// The worker gives the task back: it is visible at once, to any worker.
    pub async fn release(&self, token: &str) -> Result<(), ReportError> {
        let row = self.task_of(token).await?;
        let token = row.token.clone().ok_or(ReportError::TaskTimedOut)?;
        self.0.tasks.forget(row.execution, row.task);
        self.0.store.release(row.execution, row.task, &token).await?;
        self.ring(&row.queue);
        self.announce(Hint::Task { queue: row.queue });
        Ok(())
    }

    /// [`Engine::succeed`], and a message to deliver in the same commit.
    pub async fn succeed_and_tell(
        &self,
        token: &str,
        output: Value,
        message: NewOutboxMessage,
    ) -> Result<(), ReportError> {
        let row = self.known_task(token).await?;
        let output = Arc::new(binding::success(&row, output, self.now()));
        self.report(&row, Stimulus::TaskSucceeded { task: row.task, output }, vec![message]).await
    }

    /// What was submitted for a task that an integration performs: shown in the history, and kept for whoever resumes the
    /// wait after a crash. A callback waits for nobody of ours from now on: whoever was sent the token ends it.
    pub async fn submitted(&self, row: &TaskRecord, output: Value, submission: Value) -> Result<(), Error> {
        let change = Change {
            stimuli: vec![Stimulus::TaskSubmitted { task: row.task, output: Arc::new(output) }],
            tasks: vec![TaskChange::Submitted { task: row.task, submission, is_awaited: is_callback(&row.resource) }],
            ..Change::default()
        };
        self.turn(row.execution, change).await.map(drop)
    }

    /// That something is about to be submitted: whoever takes the task after a crash has to find out whether it was.
    /// `false` if the task is over or somebody else's.
    pub async fn submitting(&self, row: &TaskRecord, submission: Value) -> Result<bool, Error> {
        let change = Change {
            tasks: vec![TaskChange::Submitted { task: row.task, submission, is_awaited: false }],
            held: row.token.iter().map(|token| (row.task, token.clone())).collect(),
            ..Change::default()
        };
        Ok(self.turn(row.execution, change).await? == Effect::Committed)
    }

    async fn report(
        &self,
        row: &TaskRecord,
        stimulus: Stimulus,
        outbox: Vec<NewOutboxMessage>,
    ) -> Result<(), ReportError> {
        let token = row.token.clone().ok_or(ReportError::TaskTimedOut)?;
        let change = Change { stimuli: vec![stimulus], held: vec![(row.task, token)], outbox, ..Change::default() };
        match self.turn(row.execution, change).await? {
            Effect::Committed => Ok(()),
            Effect::Nothing => Err(ReportError::TaskTimedOut),
        }
    }
}
