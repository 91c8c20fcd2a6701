//! Snapshots: an execution of many events is read back from where it stood a while ago.
//!
//! A snapshot is what replay would make of the events up to its own, so it is true for ever; it is written after the commit
//! it describes, by whichever node made that, and nothing depends on it. One that cannot be read, because another version
//! wrote it, is as good as none.

use std::sync::Arc;

use asl::{Execution, replay, replay_onto};
use metrics::counter;
use serde::{Deserialize, Serialize};

use super::cache::Cached;
use super::error::Error;
use super::{Engine, Inner};
use crate::store::{ExecutionId, ExecutionStatus, SnapshotRecord};

/// Goes up when [`Execution`] changes in a way that an older snapshot would be read wrongly.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    execution: &'a Execution,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Read {
    execution: Execution,
}

/// The execution in a snapshot; `None` if it is not this version's.
fn read(snapshot: &SnapshotRecord) -> Option<Execution> {
    let version: Version = serde_json::from_str(&snapshot.state).ok()?;
    if version.version != VERSION {
        return None;
    }
    let read: Read = serde_json::from_str(&snapshot.state).ok()?;
    Some(read.execution).filter(|execution| execution.last_event_id == snapshot.event)
}

impl Inner {
    /// The execution by replay, `None` if there is none or it has ended.
    pub(super) async fn load(&self, id: ExecutionId) -> Result<Option<Cached>, Error> {
        let Some(recent) = self.store.load_recent(id).await? else { return Ok(None) };
        if recent.record.status != ExecutionStatus::Running {
            return Ok(None);
        }
        counter!("stepwell_replays_total").increment(1);
        let machine = self.machines.revision(&*self.store, recent.record.revision).await?;
        let definition = &machine.definition;
        let (execution, record) = match recent.snapshot.as_ref().map(read) {
            None => (replay(definition, &recent.events)?, recent.record),
            Some(Some(snapshot)) => (replay_onto(definition, snapshot, &recent.events)?, recent.record),
            Some(None) => {
                let Some(loaded) = self.store.load(id).await? else { return Ok(None) };
                if loaded.record.status != ExecutionStatus::Running {
                    return Ok(None);
                }
                (replay(definition, &loaded.events)?, loaded.record)
            }
        };
        Ok(Some(Cached { execution, record: Arc::new(record), machine }))
    }
}

impl Engine {
    /// Writes a snapshot of an execution that has committed up to its last event, if it is time for one since `before`.
    pub(super) fn keep_snapshot(&self, id: ExecutionId, before: u64, execution: &Execution) {
        let every = self.0.config.snapshot_events.max(1);
        if before / every == execution.last_event_id / every {
            return;
        }
        let written = Written { version: VERSION, execution };
        let state = serde_json::to_string(&written).expect("an execution is plain values with text keys");
        let snapshot = SnapshotRecord { event: execution.last_event_id, public: execution.last_public_id, state };
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.0.store.put_snapshot(id, &snapshot).await {
                tracing::debug!(execution.id = %id, error = &error as &dyn std::error::Error, "A snapshot was not kept");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_snapshot_of_this_version_is_none() {
        for state in
            ["", "{}", r#"{"version":1}"#, r#"{"version":0,"execution":{}}"#, r#"{"version":1,"execution":{}}"#]
        {
            let snapshot = SnapshotRecord { event: 1, public: 1, state: state.to_owned() };
            assert!(read(&snapshot).is_none(), "{state}");
        }
    }
}
