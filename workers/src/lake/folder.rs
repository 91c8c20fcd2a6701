//! A folder of a store: where datasets, partitions and their files are.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::location::join;
use super::store::Expect;
use super::{Error, Object, ObjectState, Store, is_data};

/// A place in a store; names given to its methods are keys below it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Folder {
    store: Store,
    key: String,
}

impl Folder {
    pub(super) fn new(store: Store, key: String) -> Folder {
        Folder { store, key }
    }

    /// The store it is in.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The key of an object or folder below this one.
    pub fn key_of(&self, name: &str) -> String {
        join(&self.key, name.trim_matches('/'))
    }

    /// The folder's own key in its bucket, without slashes at the ends.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The folder's URI, without a slash at the end.
    pub fn uri(&self) -> String {
        self.store.uri(&self.key)
    }

    /// The folder's URL, percent-encoded, with a slash at the end.
    pub(crate) fn url(&self) -> url::Url {
        self.store.url(&self.key, true)
    }

    /// The URI of an object below it.
    pub fn uri_of(&self, name: &str) -> String {
        self.store.uri(&self.key_of(name))
    }

    /// A folder below this one. Names come from code or were checked by [`super::Location`].
    #[must_use]
    pub fn child(&self, name: &str) -> Folder {
        Folder { store: self.store.clone(), key: self.key_of(name) }
    }

    /// The folder above and this one's name in it; `None` at the top of a store.
    pub fn parent(&self) -> Option<(Folder, String)> {
        let (parent, name) = match self.key.rsplit_once('/') {
            Some((parent, name)) => (parent, name),
            None if self.key.is_empty() => return None,
            None => ("", self.key.as_str()),
        };
        Some((Folder { store: self.store.clone(), key: parent.to_owned() }, name.to_owned()))
    }

    /// The folder's path, when it is on the file system.
    pub fn local_path(&self) -> Option<PathBuf> {
        self.store.local_path(&self.key)
    }

    /// All objects under the folder, hidden ones included, by name; none if it does not exist.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn objects(&self) -> Result<Vec<Object>, Error> {
        self.store.list(&self.key).await
    }

    /// The data objects under the folder, by name.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn data_objects(&self) -> Result<Vec<Object>, Error> {
        let mut objects = self.objects().await?;
        objects.retain(|object| is_data(&object.name, object.size_bytes));
        Ok(objects)
    }

    /// All objects under the folder, hidden ones included, by name, as they are now.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn states(&self) -> Result<Vec<(String, ObjectState)>, Error> {
        self.store.states(&self.key).await
    }

    /// What an object is now, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn state(&self, name: &str) -> Result<Option<ObjectState>, Error> {
        self.store.state(&self.key_of(name)).await
    }

    /// The names of the folders directly in it, in order.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn folders(&self) -> Result<Vec<String>, Error> {
        self.store.folders(&self.key).await
    }

    /// An object's bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn get(&self, name: &str) -> Result<Bytes, Error> {
        self.store.get(&self.key_of(name)).await
    }

    /// An object's bytes, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn get_optional(&self, name: &str) -> Result<Option<Bytes>, Error> {
        match self.get(name).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes `range` of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn get_range(&self, name: &str, range: std::ops::Range<u64>) -> Result<Bytes, Error> {
        self.store.get_range(&self.key_of(name), range).await
    }

    /// Writes or replaces an object, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn put(&self, name: &str, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.store.put(&self.key_of(name), bytes.into()).await
    }

    /// Writes or replaces an object by a file of this machine, in parts if it is large; whole or not at all.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn put_file(&self, name: &str, file: &Path) -> Result<(), Error> {
        self.store.put_file(&self.key_of(name), file).await
    }

    /// Writes an object that must not exist yet; `false` if it does.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn put_new(&self, name: &str, bytes: impl Into<Bytes>) -> Result<bool, Error> {
        self.store.put_if(&self.key_of(name), bytes.into(), Expect::Absent).await
    }

    /// Deletes an object; one that is already gone is fine.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.store.delete(&self.key_of(name)).await
    }

    /// Copies an object within the folder.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.store.copy(&self.key_of(from), &self.key_of(to)).await
    }
}
