//! What a worker, an integration or a mock does with a task.

use std::sync::Arc;

use asl::{Failure, Stimulus, TaskId};
use serde_json::{Value, json};

/// Steps in order; each at a number of seconds after the task was handed out.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    steps: Vec<(f64, Step)>,
    clock: f64,
}

#[derive(Clone, Debug)]
enum Step {
    Start(Option<String>),
    Submit(Value),
    Succeed(Value),
    Fail(Failure),
    Heartbeat,
}

impl Answer {
    /// Nobody takes the task.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Somebody takes the task.
    pub fn started() -> Self {
        Self::nothing().then(Step::Start(None))
    }

    /// A worker of this name takes the task.
    pub fn started_by(worker: Option<&str>) -> Self {
        Self::nothing().then(Step::Start(worker.map(str::to_owned)))
    }

    pub fn and_started(self) -> Self {
        self.then(Step::Start(None))
    }

    pub fn and_started_by(self, worker: &str) -> Self {
        self.then(Step::Start(Some(worker.to_owned())))
    }

    pub fn submitted(self) -> Self {
        self.then(Step::Submit(json!({})))
    }

    pub fn succeeds(self, output: Value) -> Self {
        self.then(Step::Succeed(output))
    }

    pub fn fails(self, failure: Failure) -> Self {
        self.then(Step::Fail(failure))
    }

    pub fn beats(self) -> Self {
        self.then(Step::Heartbeat)
    }

    pub fn after(self, seconds: f64) -> Self {
        Self { clock: self.clock + seconds, ..self }
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push((self.clock, step));
        self
    }

    /// The stimuli with their moments; `None` is a heartbeat, of which the interpreter hears nothing.
    pub fn stimuli(self, task: TaskId) -> Vec<(f64, Option<Stimulus>)> {
        let stimulus = |step| match step {
            Step::Start(worker) => Some(Stimulus::TaskStarted { task, worker }),
            Step::Submit(output) => Some(Stimulus::TaskSubmitted { task, output: Arc::new(output) }),
            Step::Succeed(output) => Some(Stimulus::TaskSucceeded { task, output: Arc::new(output) }),
            Step::Fail(failure) => Some(Stimulus::TaskFailed { task, failure }),
            Step::Heartbeat => None,
        };
        self.steps.into_iter().map(|(seconds, step)| (seconds, stimulus(step))).collect()
    }
}
