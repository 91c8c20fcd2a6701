//! Commits whose answer is certain.
//!
//! A connection may break after a commit became durable and before its answer arrived. Deciding anew would not do: the
//! second decision finds nothing left to do, the caller would be refused although what it reported is in the history, and
//! tasks that the commit started for waiting pollers would be started for nobody. So the very same commit is handed in
//! again: it is held if it was lost, and if it is stale, the journal tells whether it or somebody else's went before.

use super::Inner;
use super::committer::Fault;
use super::error::Error;
use super::patience::Patience;
use crate::store::{self, Commit, CommitResult, TaskChange};

impl Inner {
    /// Commits, and says what became of it even if the store fails in between. An error means that nobody knows.
    pub(super) async fn commit_surely(&self, commit: Commit, patience: &mut Patience) -> Result<CommitResult, Error> {
        let mut doubtful = false;
        loop {
            match self.committer.commit(commit.clone()).await {
                Ok(CommitResult::Stale) if doubtful && self.is_durable(&commit, patience).await? => {
                    return Ok(CommitResult::Committed);
                }
                // Only this start knows this id.
                Ok(CommitResult::NameTaken(taken)) if doubtful && taken.id == commit.execution => {
                    return Ok(CommitResult::Committed);
                }
                Ok(result) => return Ok(result),
                Err(Fault::Store(error)) => {
                    doubtful = true;
                    patience.wait(Error::Store(store::Error::Open(error.to_string()))).await?;
                }
                Err(Fault::Gone) => return Err(Error::ShuttingDown),
            }
        }
    }

    /// Whether a stale commit is stale because of itself.
    async fn is_durable(&self, commit: &Commit, patience: &mut Patience) -> Result<bool, Error> {
        loop {
            match self.finds_itself(commit).await {
                Ok(found) => return Ok(found),
                Err(error) => patience.wait(Error::Store(error)).await?,
            }
        }
    }

    async fn finds_itself(&self, commit: &Commit) -> store::Result<bool> {
        if commit.events.is_empty() {
            // A redelivered task writes no event; its row has the token that this commit made.
            for change in &commit.task_changes {
                if let TaskChange::Start { task, start } = change {
                    let row = self.store.task(commit.execution, *task).await?;
                    return Ok(
                        row.is_some_and(|row| row.token.as_ref() == Some(&start.token) && row.worker == start.worker)
                    );
                }
            }
            return Ok(false);
        }
        let Some(loaded) = self.store.load(commit.execution).await? else { return Ok(false) };
        let behind = loaded.events.iter().filter(|event| event.id > commit.expected);
        Ok(behind.take(commit.events.len()).eq(&commit.events))
    }
}
