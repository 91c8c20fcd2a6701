//! Group commit: turns hand their commits in, one transaction takes all that wait.
//!
//! While a transaction is in flight the next batch gathers, so throughput grows with load and a lone commit waits for
//! nobody. A large batch goes beside the one in flight, as long as the store likes ([`Store::commits_at_once`]): one
//! executes while the other waits for the disk. A small one would cost more by itself than it gains. A turn holds its
//! execution's lock until it has its answer, so neither one batch nor two side by side ever hold two commits of one
//! execution from this process.

use std::sync::Arc;

use metrics::{counter, histogram};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::store::{self, Commit, CommitResult, Store};

/// A batch of as many goes beside one in flight; a smaller one waits for it.
const BESIDE_MIN: usize = 16;
/// How many commits may wait before turns are held back.
const QUEUE_MAX: usize = 8192;

type Answer = oneshot::Sender<Result<CommitResult, Fault>>;

/// Why a commit has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The store failed; whether the batch is durable is unknown.
    Store(Arc<store::Error>),
    /// The committer is gone.
    Gone,
}

/// The way in.
pub(super) struct Committer(mpsc::Sender<(Commit, Answer)>);

impl Committer {
    /// Starts the loop. It ends once `shutdown` is cancelled and nothing waits any more.
    pub(super) fn spawn(store: Arc<dyn Store>, batch_max: usize, shutdown: CancellationToken) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(store, receiver, batch_max, shutdown));
        Self(sender)
    }

    /// Commits, together with whatever else waits.
    pub(super) async fn commit(&self, commit: Commit) -> Result<CommitResult, Fault> {
        let (answer, result) = oneshot::channel();
        self.0.send((commit, answer)).await.map_err(|_| Fault::Gone)?;
        result.await.map_err(|_| Fault::Gone)?
    }
}

async fn run(
    store: Arc<dyn Store>,
    mut receiver: mpsc::Receiver<(Commit, Answer)>,
    batch_max: usize,
    shutdown: CancellationToken,
) {
    let at_once = store.commits_at_once().max(1);
    let mut in_flight = JoinSet::new();
    let mut waiting = Vec::with_capacity(batch_max);
    let mut is_open = true;
    while is_open || !waiting.is_empty() {
        let may_go_beside = waiting.len() >= BESIDE_MIN.min(batch_max) && in_flight.len() < at_once;
        if !waiting.is_empty() && (in_flight.is_empty() || may_go_beside) {
            in_flight.spawn(commit_all(store.clone(), waiting.drain(..).unzip()));
            continue;
        }
        let room = batch_max - waiting.len();
        tokio::select! {
            biased;
            received = receiver.recv_many(&mut waiting, room), if is_open && room > 0 => is_open = received > 0,
            Some(_) = in_flight.join_next() => {}
            // Turns that are on their way still get their answer; new ones find the door closed.
            () = shutdown.cancelled(), if !receiver.is_closed() => receiver.close(),
        }
    }
    while in_flight.join_next().await.is_some() {}
}

/// Commits a batch and answers each turn.
async fn commit_all(store: Arc<dyn Store>, (batch, answers): (Vec<Commit>, Vec<Answer>)) {
    histogram!("stepwell_commit_batch_size").record(batch.len() as f64);
    let started = std::time::Instant::now();
    let outcome = store.commit(batch).await;
    histogram!("stepwell_commit_seconds").record(started.elapsed().as_secs_f64());
    match outcome {
        Ok(results) => {
            debug_assert_eq!(results.len(), answers.len(), "the store answers every commit");
            counter!("stepwell_commits_total").increment(results.len() as u64);
            for (answer, result) in answers.into_iter().zip(results) {
                // A turn that was dropped meanwhile (its client went away) needs no answer.
                let _ = answer.send(Ok(result));
            }
        }
        Err(error) => {
            counter!("stepwell_commit_faults_total").increment(1);
            tracing::warn!(error = &error as &dyn std::error::Error, "A batch of commits failed");
            let error = Arc::new(error);
            for answer in answers {
                let _ = answer.send(Err(Fault::Store(error.clone())));
            }
        }
    }
}
