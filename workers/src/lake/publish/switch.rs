//! Several tables made visible one after the other: all of them, whatever crashes on the way.
//!
//! An intent object names what is staged; from the moment it is written, the switch is to be finished. A run that finds
//! one rolls it forward before it does anything else ([`finish_switch`]); each table's switch can be done twice.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Place, STAGING, Staged, swap};
use crate::lake::{Error, Folder, Lake, Partition, PartitionLock, PartitionState, SUCCESS_NAME, Success};

/// The intent's name in the staging folder of the first table's parent.
const SWITCH: &str = "_switch.json";

#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    run_id: String,
    tables: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    parent_uri: String,
    name: String,
    /// The folder beside the table; absent when the files are in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    beside_uri: Option<String>,
    success: Success,
}

/// Makes staged tables visible, in this order. All locks are checked first; a crash after the first switch is repaired by
/// the next run's [`finish_switch`] on the parent folder of the first table.
///
/// # Errors
/// [`Error::LockLost`] before anything is visible, or, when a lock is lost on the way, with the rest left to the run that
/// took it; [`Error::Storage`].
pub async fn switch_all(staged: Vec<(Staged, Arc<PartitionLock>)>, run_id: &str) -> Result<Vec<Success>, Error> {
    for (_, lock) in &staged {
        lock.check().await?;
    }
    let Some((first, _)) = staged.first() else { return Ok(Vec::new()) };
    let staging = first.partition.table.child(STAGING);
    let tables = staged.iter().map(|(staged, _)| Entry::of(staged)).collect();
    let intent = Intent { run_id: run_id.to_owned(), tables };
    staging.put(SWITCH, serde_json::to_vec(&intent).expect("strings and numbers always serialise")).await?;

    let mut done = Vec::with_capacity(staged.len());
    for (staged, lock) in staged {
        done.push(staged.switch(&lock).await?);
    }
    staging.delete(SWITCH).await?;
    Ok(done)
}

/// Finishes what a crashed [`switch_all`] began whose first table's parent is `folder`; returns the tables it made visible
/// or found visible, none if there was nothing to finish. Call it with the locks of all tables held, before staging.
///
/// # Errors
/// [`Error::Storage`], [`Error::Unreadable`] if the intent is not one.
pub async fn finish_switch(lake: &Lake, folder: &Folder) -> Result<Vec<Success>, Error> {
    let staging = folder.child(STAGING);
    let Some(bytes) = staging.get_optional(SWITCH).await? else { return Ok(Vec::new()) };
    let intent: Intent = serde_json::from_slice(&bytes).map_err(|error| Error::Unreadable {
        uri: staging.uri_of(SWITCH),
        format: "JSON",
        reason: error.to_string(),
    })?;
    let mut done = Vec::with_capacity(intent.tables.len());
    for entry in intent.tables {
        if let Some(success) = entry.roll_forward(lake, &intent.run_id).await? {
            done.push(success);
        }
    }
    staging.delete(SWITCH).await?;
    Ok(done)
}

impl Entry {
    fn of(staged: &Staged) -> Entry {
        Entry {
            parent_uri: staged.partition.table.uri(),
            name: staged.partition.name.clone(),
            beside_uri: match &staged.place {
                Place::Beside(fresh) => Some(fresh.uri()),
                Place::Within => None,
            },
            success: staged.success.clone(),
        }
    }

    async fn roll_forward(self, lake: &Lake, run_id: &str) -> Result<Option<Success>, Error> {
        let partition = Partition::new(lake.folder_of(&self.parent_uri)?, &self.name);
        let place = match &self.beside_uri {
            Some(uri) => Place::Beside(lake.folder_of(uri)?),
            None => Place::Within,
        };
        let visible = matches!(partition.state().await?, PartitionState::Complete(found) if found == self.success);
        let staged = Staged { partition, place, success: self.success };
        match (&staged.place, visible) {
            // The old table may still wait in the staging folder.
            (Place::Beside(_), true) => {
                swap::remove_tree(&staged.partition.table.child(STAGING).child(&staged.partition.name)).await?;
            }
            (_, false) if !staged.is_whole().await? => {
                tracing::warn!(
                    table.uri = %staged.partition.uri(),
                    "Cannot finish the switch of run `{run_id}`: what it staged for `{}` is gone; the table stays as it is \
                     until the next run replaces it",
                    staged.partition.uri()
                );
                return Ok(None);
            }
            _ => staged.make_visible().await?,
        }
        Ok(Some(staged.success))
    }
}

impl Staged {
    /// Whether all files are there.
    async fn is_whole(&self) -> Result<bool, Error> {
        let (folder, mut names) = self.objects();
        if matches!(self.place, Place::Beside(_)) {
            names.push(SUCCESS_NAME.to_owned());
        }
        let objects = folder.objects().await?;
        let found: HashSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        Ok(names.iter().all(|name| found.contains(name.as_str())))
    }
}
