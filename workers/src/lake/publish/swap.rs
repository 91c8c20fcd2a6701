//! Publication by exchanging folders, on file systems that can.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{Attempt, STAGING, blocking};
use crate::lake::{Error, Folder, SUCCESS_NAME, Success};

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

pub(super) async fn publish(attempt: Attempt<'_>) -> Result<Success, Error> {
    let partition = attempt.partition;
    let folder = partition.folder();
    let target = folder.local_path().expect("the caller checked that the folder is on the file system");
    let staging = partition.table.child(STAGING).child(&partition.name);
    let staging_path = staging.local_path().expect("it is beside the partition");
    remove_tree(&staging, staging_path.clone()).await?;

    let fresh = staging.child(attempt.run_id);
    let fresh_path = fresh.local_path().expect("it is beside the partition");
    let success = attempt
        .write_files(&attempt.mark(), |name, bytes| write_file(fresh.clone(), fresh_path.clone(), name, bytes))
        .await?;
    write_file(fresh.clone(), fresh_path.clone(), SUCCESS_NAME.to_owned(), success.to_json()).await?;

    attempt.lock.check().await?;
    folder.store().step(|| format!("switch {}", folder.uri()))?;
    let uri = folder.uri();
    blocking(&uri, {
        let uri = uri.clone();
        move || switch(&fresh_path, &target).map_err(|error| Error::storage("switch", uri, error))
    })
    .await?;
    // From here on the new partition is what everybody finds; the old one waits in the staging folder.
    remove_tree(&staging, staging_path).await?;
    Ok(success)
}

/// Writes a file and makes it durable before the switch can.
async fn write_file(folder: Folder, path: PathBuf, name: String, bytes: Vec<u8>) -> Result<(), Error> {
    let uri = folder.uri_of(&name);
    folder.store().step(|| format!("write {uri}"))?;
    let failed_uri = uri.clone();
    blocking(&uri, move || {
        let write = || -> io::Result<()> {
            fs::create_dir_all(&path)?;
            let mut file = File::create(path.join(&name))?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(|error| Error::storage("write", failed_uri, error))
    })
    .await
}

fn switch(fresh: &Path, target: &Path) -> io::Result<()> {
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
async fn remove_tree(staging: &Folder, path: PathBuf) -> Result<(), Error> {
    let uri = staging.uri();
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
