//! Publication within the partition's folder: unique names, then `_SUCCESS`, then the old files go.

use super::{Attempt, INTENT, STAGING};
use crate::lake::partition::adopt;
use crate::lake::{Error, PartitionState, SUCCESS_NAME, Success};

pub(super) async fn publish(attempt: Attempt<'_>) -> Result<Success, Error> {
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
    let success = attempt
        .write_files(&mark, |name, bytes| {
            let folder = folder.clone();
            async move { folder.put(&name, bytes).await }
        })
        .await?;

    attempt.lock.check().await?;
    folder.put(SUCCESS_NAME, success.to_json()).await?;
    for object in present.iter().filter(|object| object.name != SUCCESS_NAME) {
        folder.delete(&object.name).await?;
    }
    for object in staging.objects().await? {
        staging.delete(&object.name).await?;
    }
    Ok(success)
}
