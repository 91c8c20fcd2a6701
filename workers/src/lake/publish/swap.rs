//! Publication by exchanging folders, on file systems that can.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::sink::Sink;
use super::source::Source;
use super::{Attempt, Place, STAGING, Staged, blocking};
use crate::lake::{Error, Folder, Partition, SUCCESS_NAME};

/// Whether two folders can exchange names where `path` is or will be: tried on two fresh folders beside it.
pub(super) fn supported(path: &Path) -> bool {
    let Some(table) = path.parent() else { return false };
    let probe = || -> io::Result<()> {
        fs::create_dir_all(table.join(STAGING))?;
        let place = tempfile::tempdir_in(table.join(STAGING))?;
        let (a, b) = (place.path().join("a"), place.path().join("b"));
        fs::create_dir(&a)?;
        fs::create_dir(&b)?;
        exchange(&a, &b)
    };
    probe().is_ok()
}

/// Writes the new partition beside the old one.
pub(super) async fn stage(attempt: &Attempt<'_>, source: Source) -> Result<Staged, Error> {
    let partition = attempt.partition;
    let staging = partition.table.child(STAGING).child(&partition.name);
    remove_tree(&staging).await?;

    let fresh = staging.child(attempt.run_id);
    let path = path_of(&fresh)?;
    let sink = Sink::Disk { folder: fresh.clone(), path };
    let success = source.write(attempt, &attempt.mark(), &sink).await?;
    sink.bytes(SUCCESS_NAME, success.to_json()).await?;
    Ok(Staged { partition: partition.clone(), place: Place::Beside(fresh), success })
}

/// Exchanges the new partition with the old one, which then goes.
pub(super) async fn switch(partition: &Partition, fresh: &Folder) -> Result<(), Error> {
    let folder = partition.folder();
    let (fresh_path, target) = (path_of(fresh)?, path_of(&folder)?);
    let uri = folder.uri();
    folder.store().step(|| format!("switch {uri}"))?;
    let failed_uri = uri.clone();
    blocking(&uri, move || {
        take_place(&fresh_path, &target).map_err(|error| Error::storage("switch", failed_uri, error))
    })
    .await?;
    // From here on the new partition is what everybody finds; the old one waits in the staging folder.
    remove_tree(&partition.table.child(STAGING).child(&partition.name)).await
}

fn path_of(folder: &Folder) -> Result<PathBuf, Error> {
    folder.local_path().ok_or_else(|| Error::Location {
        text: folder.uri(),
        reason: "only folders of this machine's file system can exchange names".to_owned(),
    })
}

fn take_place(fresh: &Path, target: &Path) -> io::Result<()> {
    File::open(fresh)?.sync_all()?;
    if target.exists() {
        exchange(fresh, target)?;
    } else {
        fs::rename(fresh, target)?;
    }
    if let Some(table) = target.parent() {
        File::open(table)?.sync_all()?;
    }
    Ok(())
}

/// One system call: at no instant does either name not exist.
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

/// Removes the staging folder of the partition. The table's own stays, as other partitions may be about to use it.
pub(super) async fn remove_tree(staging: &Folder) -> Result<(), Error> {
    let (uri, path) = (staging.uri(), path_of(staging)?);
    if !path.exists() {
        return Ok(());
    }
    staging.store().step(|| format!("remove {uri}"))?;
    let failed_uri = uri.clone();
    blocking(&uri, move || match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::storage("remove", failed_uri, error)),
        _ => Ok(()),
    })
    .await
}
