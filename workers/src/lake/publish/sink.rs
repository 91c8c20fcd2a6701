//! Where the files of a publication go.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::blocking;
use crate::lake::{Error, Folder};

/// A folder that takes finished files, one after the other.
pub(super) enum Sink {
    /// A folder of the file system whose files must be durable before the switch.
    Disk {
        /// The folder.
        folder: Folder,
        /// Its path.
        path: PathBuf,
    },
    /// A folder of any store.
    Store(Folder),
}

impl Sink {
    /// Writes a file from memory.
    pub(super) async fn bytes(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        match self {
            Sink::Store(folder) => folder.put(name, bytes).await,
            Sink::Disk { folder, path } => {
                durable(folder, path.join(name), name, move |file| file.write_all(&bytes)).await
            }
        }
    }

    /// Writes a file from this machine's temporary folder.
    pub(super) async fn file(&self, name: &str, source: &Path) -> Result<(), Error> {
        match self {
            Sink::Store(folder) => folder.store().put_file(&folder.key_of(name), source).await,
            Sink::Disk { folder, path } => {
                let source = source.to_owned();
                let copy = move |file: &mut File| io::copy(&mut File::open(&source)?, file).map(drop);
                durable(folder, path.join(name), name, copy).await
            }
        }
    }
}

/// Writes a file and makes it, and the folder it is in, durable.
async fn durable<F>(folder: &Folder, path: PathBuf, name: &str, write: F) -> Result<(), Error>
where
    F: FnOnce(&mut File) -> io::Result<()> + Send + 'static,
{
    let uri = folder.uri_of(name);
    folder.store().step(|| format!("write {uri}"))?;
    let failed_uri = uri.clone();
    blocking(&uri, move || {
        let work = || -> io::Result<()> {
            let parent = path.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(parent)?;
            let mut file = File::create(&path)?;
            write(&mut file)?;
            file.sync_all()?;
            File::open(parent)?.sync_all()
        };
        work().map_err(|error| Error::storage("write", failed_uri, error))
    })
    .await
}
