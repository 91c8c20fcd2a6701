//! Publication within the partition's folder: unique names, then `_SUCCESS`, then the old files go.

use std::collections::HashSet;

use super::sink::Sink;
use super::source::Source;
use super::{Attempt, INTENT, Place, STAGING, Staged};
use crate::lake::partition::adopt;
use crate::lake::{Error, Partition, PartitionState, SUCCESS_NAME, Success};

/// Writes the new files under names nobody reads.
pub(super) async fn stage(attempt: &Attempt<'_>, source: Source) -> Result<Staged, Error> {
    let partition = attempt.partition;
    let folder = partition.folder();
    // Before the mark is set, as the mark itself would make others' files look unfinished.
    if let PartitionState::Legacy(objects) = partition.state().await? {
        folder.put(SUCCESS_NAME, adopt(objects).to_json()).await?;
    }
    let staging = partition.table.child(STAGING).child(&partition.name);
    staging.put(INTENT, attempt.run_id.to_owned()).await?;

    let present = folder.objects().await?;
    let mut mark = attempt.mark();
    // A retried run id must not overwrite files that readers are being sent to.
    while present.iter().any(|object| object.name.contains(&format!("-{mark}."))) {
        mark = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    }
    let success = source.write(attempt, &mark, &Sink::Store(folder)).await?;
    Ok(Staged { partition: partition.clone(), place: Place::Within, success })
}

/// Replaces `_SUCCESS`, then removes what it does not name.
pub(super) async fn switch(partition: &Partition, success: &Success) -> Result<(), Error> {
    let folder = partition.folder();
    folder.put(SUCCESS_NAME, success.to_json()).await?;
    let named: HashSet<&str> = success.files.iter().map(|file| file.name.as_str()).collect();
    for object in folder.objects().await? {
        if object.name != SUCCESS_NAME && !named.contains(object.name.as_str()) {
            folder.delete(&object.name).await?;
        }
    }
    let staging = partition.table.child(STAGING).child(&partition.name);
    for object in staging.objects().await? {
        staging.delete(&object.name).await?;
    }
    Ok(())
}
