//! Runs that wait for another run of their partition.
//!
//! A queued run is a part of its partition's row in the ledger: while the other run is in flight it stands beside it, and
//! the commit that ends the other makes the row its own (`QUEUED`). From then on any node may start it, under the key and
//! the name that were promised, so that it begins once however many try; a node that dies in between leaves it to the next.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::engine::{self, Engine, StartError, StartRequest};
use crate::store::{self, Hint, LedgerChange, LedgerRow, Outcome, QueuedRun, Store};

/// How often the ledger is looked at when nothing rings: what another node left is found then.
const LOOK: Duration = Duration::from_secs(5);

/// Starts queued runs whose turn has come, until `shutdown`.
pub async fn run(engine: Engine, shutdown: CancellationToken) {
    let mut ends = engine.ends();
    loop {
        if let Err(error) = start_due(&engine).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Queued runs cannot be started; it is tried again"
            );
        }
        tokio::select! {
            () = ends.next(LOOK) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Starts those whose turn has come; how many.
pub async fn start_due(engine: &Engine) -> Result<usize, engine::Error> {
    let mut started = 0;
    for row in engine.store().queued_runs().await? {
        let Some(queued) = row.queued.as_deref().filter(|_| row.outcome == Outcome::Queued) else { continue };
        if start(engine, &row, queued).await? {
            started += 1;
        }
    }
    Ok(started)
}

async fn start(engine: &Engine, row: &LedgerRow, queued: &QueuedRun) -> Result<bool, engine::Error> {
    let input_value: Value = serde_json::from_str(&queued.input).unwrap_or_default();
    let request = StartRequest {
        id: Some(queued.execution),
        state_machine_arn: queued.state_machine_arn.clone(),
        name: Some(queued.name.clone()),
        input: queued.input.clone(),
        input_value,
        trace_header: None,
        trigger: queued.trigger.clone(),
        exclusive: true,
    };
    let (pipeline, partition) = (&row.pipeline, &row.partition);
    match engine.start(request).await {
        Ok(begun) if begun.fresh => {
            tracing::info!(execution.arn = %begun.arn, "Started the queued run of `{partition}` of `{pipeline}`");
            Ok(true)
        }
        // Somebody came in between: it waits for that one, too.
        Err(StartError::PartitionBusy(_)) => Ok(false),
        // Another node has started it. If the row is its own all the same, the sheet calls its partition otherwise by now.
        Ok(_) | Err(StartError::AlreadyExists(_)) => {
            cancel(engine, row).await?;
            Ok(false)
        }
        Err(StartError::MachineGone | StartError::MachineDeleting) => {
            tracing::warn!("The queued run of `{partition}` of `{pipeline}` is dropped: its state machine is gone");
            cancel(engine, row).await?;
            Ok(false)
        }
        Err(StartError::Fault(fault)) => Err(fault),
    }
}

/// The row for whose partition the run of this ARN waits.
pub(super) async fn find(store: &dyn Store, execution_arn: &str) -> store::Result<Option<LedgerRow>> {
    let rows = store.queued_runs().await?.into_iter();
    let is_this = |row: &LedgerRow| row.queued.as_ref().is_some_and(|queued| queued.execution_arn == execution_arn);
    Ok(rows.into_iter().find(is_this))
}

/// The run of this row waits no more, unless it has begun.
pub(super) async fn cancel(engine: &Engine, row: &LedgerRow) -> store::Result<()> {
    let Some(queued) = &row.queued else { return Ok(()) };
    let change = LedgerChange::Unqueue {
        pipeline: row.pipeline.clone(),
        partition: row.partition.clone(),
        execution: queued.execution,
    };
    engine.store().change_ledger(&[change]).await?;
    engine.announce(Hint::Page);
    Ok(())
}
