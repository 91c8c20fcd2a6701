//! A started task on its way to the poller it was started for.
//!
//! The task is durably started before its poller hears of it, and a poller may go away at any moment: its client hung up,
//! the task arrived in the very instant its poll was dropped. A parcel that nobody opens gives its task back, so that no
//! task is started for nobody.

use tokio::runtime::Handle;

use super::Engine;
use super::dispatch::TakenTask;
use super::error::Error;
use super::patience::Patience;

/// A task that is given back unless somebody opens it.
pub(super) struct Parcel {
    engine: Engine,
    task: Option<Box<TakenTask>>,
}

impl Parcel {
    pub(super) fn new(engine: &Engine, task: TakenTask) -> Self {
        Self { engine: engine.clone(), task: Some(Box::new(task)) }
    }

    /// The poller has it. No wait may lie between this and the poller's return.
    pub(super) fn open(mut self) -> TakenTask {
        *self.task.take().expect("`open` consumes the parcel, and nothing else empties it")
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        // Without a runtime the process is at its end; the task's lease or timeout deals with it then.
        let Ok(runtime) = Handle::try_current() else { return };
        let engine = self.engine.clone();
        runtime.spawn(async move { engine.give_back(&task).await });
    }
}

impl Engine {
    /// Makes the row visible again. Harmless if the task was never started: then the row has another token.
    async fn give_back(&self, task: &TakenTask) {
        self.0.tasks.forget(task.execution, task.task);
        let mut patience = Patience::new(self.0.config.patience);
        while let Err(error) = self.0.store.release(task.execution, task.task, &task.token).await {
            if let Err(error) = patience.wait(Error::Store(error)).await {
                tracing::error!(
                    execution.id = %task.execution, error = &error as &dyn std::error::Error,
                    "A task whose poller went away could not be made visible again"
                );
                return;
            }
        }
        self.ring_all();
    }
}
