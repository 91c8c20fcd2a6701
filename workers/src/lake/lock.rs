//! One run per partition: a lock object beside it, with an owner and an expiry.
//!
//! Taking is put-if-absent. The same owner (a task's later attempt, whose earlier process is gone) takes over at once,
//! anybody once the lock has expired. Expiry goes by the clocks of the machines involved; the lock is renewed at a third
//! of its life, and a publication checks it just before it becomes visible. On the file system, changes are
//! serialised by an advisory lock on a guard file; on S3 they are conditional writes.

use std::fs::{self, File};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::store::Expect;
use super::{Error, Folder, Partition};

/// How long a lock lasts without renewal.
pub const LOCK_SECONDS: i64 = 60;
const LOCKS: &str = "_locks";
/// A conditional write that lost a race is looked at again this often.
const TAKE_ATTEMPTS_MAX: u32 = 3;

/// The lock object's content.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    owner: String,
    token: Uuid,
    acquired_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// A held lock, renewed in the background until released or dropped.
#[derive(Debug)]
pub struct PartitionLock {
    place: Place,
    content: Content,
    renewal: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone, Debug)]
struct Place {
    locks: Folder,
    name: String,
    partition_uri: String,
}

impl PartitionLock {
    /// Takes the lock of a partition, for `owner`.
    ///
    /// # Errors
    /// [`Error::Locked`] while another owner holds it, [`Error::Storage`].
    pub async fn acquire(partition: &Partition, owner: &str) -> Result<Arc<PartitionLock>, Error> {
        let place = Place {
            locks: partition.table.child(LOCKS),
            name: format!("{}.json", partition.name),
            partition_uri: partition.uri(),
        };
        let content = Content::new(owner, Uuid::new_v4());
        place.change(content.clone(), Change::Take).await?;
        let lock = Arc::new(PartitionLock { place, content, renewal: Mutex::default() });
        let renewal = tokio::spawn(renew(lock.place.clone(), lock.content.clone()));
        *lock.renewal.lock() = Some(renewal);
        Ok(lock)
    }

    /// Fails unless the lock is still held.
    ///
    /// # Errors
    /// [`Error::LockLost`], [`Error::Storage`].
    pub async fn check(&self) -> Result<(), Error> {
        match self.place.read().await? {
            Some((found, _)) if found.token == self.content.token && found.expires_at > Utc::now() => Ok(()),
            _ => Err(Error::LockLost { uri: self.place.partition_uri.clone() }),
        }
    }

    /// Gives the lock back; fine if it was lost meanwhile.
    ///
    /// # Errors
    /// [`Error::Storage`]; the lock then expires by itself.
    pub async fn release(&self) -> Result<(), Error> {
        self.stop_renewal();
        match self.place.change(self.content.clone(), Change::Release).await {
            Err(Error::LockLost { .. }) => Ok(()),
            done => done,
        }
    }

    fn stop_renewal(&self) {
        if let Some(renewal) = self.renewal.lock().take() {
            renewal.abort();
        }
    }
}

impl Drop for PartitionLock {
    fn drop(&mut self) {
        self.stop_renewal();
    }
}

async fn renew(place: Place, mut content: Content) {
    let pause = Duration::from_secs(LOCK_SECONDS.unsigned_abs() / 3);
    loop {
        tokio::time::sleep(pause).await;
        content.expires_at = Utc::now() + TimeDelta::seconds(LOCK_SECONDS);
        match place.change(content.clone(), Change::Renew).await {
            Ok(()) => {}
            Err(Error::LockLost { uri }) => {
                tracing::error!(partition.uri = %uri, "Lost the lock of `{uri}`: this run will publish nothing");
                return;
            }
            Err(error) => tracing::warn!("Cannot renew a lock, trying again: {}", error.chain()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Take,
    Renew,
    Release,
}

impl Content {
    fn new(owner: &str, token: Uuid) -> Content {
        let acquired_at = Utc::now();
        Content {
            owner: owner.to_owned(),
            token,
            acquired_at,
            expires_at: acquired_at + TimeDelta::seconds(LOCK_SECONDS),
        }
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and times always serialise")
    }
}

impl Place {
    async fn read(&self) -> Result<Option<(Content, Option<String>)>, Error> {
        match self.locks.store().get_version(&self.locks.key_of(&self.name)).await {
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
            // Half-written by a crash: nobody holds it.
            Ok((bytes, version)) => Ok(Some((serde_json::from_slice(&bytes).unwrap_or_else(|_| stale()), version))),
        }
    }

    /// Whether `wanted` may be done to what was found.
    fn allowed(&self, found: Option<&Content>, wanted: &Content, change: Change) -> Result<(), Error> {
        match (change, found) {
            (Change::Take, None) => Ok(()),
            (Change::Take, Some(held)) if held.owner == wanted.owner || held.expires_at <= Utc::now() => Ok(()),
            (Change::Take, Some(held)) => Err(Error::Locked {
                uri: self.partition_uri.clone(),
                owner: held.owner.clone(),
                expires_at: held.expires_at,
            }),
            (Change::Renew | Change::Release, Some(held)) if held.token == wanted.token => Ok(()),
            (Change::Renew | Change::Release, _) => Err(Error::LockLost { uri: self.partition_uri.clone() }),
        }
    }

    async fn change(&self, content: Content, change: Change) -> Result<(), Error> {
        if let Some(path) = self.locks.local_path() {
            let place = self.clone();
            let store = self.locks.store().clone();
            store.step(|| format!("change lock {}", self.locks.uri_of(&self.name)))?;
            return super::publish::blocking(&self.partition_uri, move || place.change_file(&path, &content, change))
                .await;
        }
        for _ in 0..TAKE_ATTEMPTS_MAX {
            let found = self.read().await?;
            self.allowed(found.as_ref().map(|(held, _)| held), &content, change)?;
            let key = self.locks.key_of(&self.name);
            let store = self.locks.store();
            let expect = match found {
                _ if change == Change::Release => return store.delete(&key).await,
                None => Expect::Absent,
                Some((_, version)) => Expect::Version(version),
            };
            if store.put_if(&key, content.to_json(), expect).await? {
                return Ok(());
            }
        }
        // Somebody else won every time; whoever it is holds the lock now.
        let held = self.read().await?.map_or_else(stale, |(held, _)| held);
        Err(Error::Locked { uri: self.partition_uri.clone(), owner: held.owner, expires_at: held.expires_at })
    }

    /// Look and write as one step for all processes of the machine.
    fn change_file(&self, folder: &std::path::Path, content: &Content, change: Change) -> Result<(), Error> {
        let uri = self.locks.uri_of(&self.name);
        let failed = |error: std::io::Error| Error::storage("lock", &uri, error);
        fs::create_dir_all(folder).map_err(failed)?;
        let guard = File::create(folder.join(".guard")).map_err(failed)?;
        guard.lock().map_err(failed)?;
        let path = folder.join(&self.name);
        let found = match fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| stale())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        self.allowed(found.as_ref(), content, change)?;
        if change == Change::Release {
            return fs::remove_file(&path).map_err(failed);
        }
        let fresh = folder.join(format!(".{}", content.token));
        fs::write(&fresh, content.to_json()).and_then(|()| fs::rename(&fresh, &path)).map_err(failed)
    }
}

fn stale() -> Content {
    Content {
        owner: String::new(),
        token: Uuid::nil(),
        acquired_at: DateTime::UNIX_EPOCH,
        expires_at: DateTime::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Lake, Table};

    async fn partition() -> (tempfile::TempDir, Partition) {
        let place = tempfile::tempdir().unwrap();
        let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
        let partition = Table::new(lake.folder("b", "t").unwrap()).partition("2024-12-07");
        (place, partition)
    }

    #[tokio::test]
    async fn a_second_owner_is_refused_until_release() {
        let (_place, partition) = partition().await;
        let first = PartitionLock::acquire(&partition, "run-1").await.unwrap();
        let refused = PartitionLock::acquire(&partition, "run-2").await.unwrap_err();
        assert!(matches!(&refused, Error::Locked { owner, .. } if owner == "run-1"), "{refused}");
        first.check().await.unwrap();
        first.release().await.unwrap();
        assert!(first.check().await.is_err(), "released");
        PartitionLock::acquire(&partition, "run-2").await.unwrap();
    }

    #[tokio::test]
    async fn the_same_owner_takes_over_and_the_earlier_attempt_notices() {
        let (_place, partition) = partition().await;
        let first = PartitionLock::acquire(&partition, "task-1").await.unwrap();
        let second = PartitionLock::acquire(&partition, "task-1").await.unwrap();
        assert!(matches!(first.check().await, Err(Error::LockLost { .. })));
        first.release().await.unwrap();
        second.check().await.expect("releasing a lost lock leaves the new one alone");
    }

    #[tokio::test]
    async fn expired_and_broken_locks_are_taken_over() {
        let (_place, partition) = partition().await;
        let locks = partition.table.child(LOCKS);
        let mut old = Content::new("gone", Uuid::new_v4());
        old.expires_at = Utc::now() - TimeDelta::seconds(1);
        for content in [old.to_json(), b"{half".to_vec()] {
            locks.put("ds=2024-12-07.json", content).await.unwrap();
            PartitionLock::acquire(&partition, "run-2").await.unwrap().release().await.unwrap();
        }
    }

    #[tokio::test]
    async fn of_many_at_once_one_gets_the_lock() {
        let (_place, partition) = partition().await;
        let attempts = (0..16).map(|n| {
            let partition = partition.clone();
            async move { PartitionLock::acquire(&partition, &format!("run-{n}")).await }
        });
        let won: Vec<_> = futures::future::join_all(attempts).await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1);
    }
}
