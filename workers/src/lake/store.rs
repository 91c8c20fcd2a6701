//! One bucket, or this machine's file system, behind the few verbs the lake needs.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion, WriteMultipart,
};
use tokio::io::AsyncReadExt;
use url::Url;

use super::counted::Counted;
use super::{CrashPoint, Error, Location};

/// Larger files are written in parts of this size.
const PART_BYTES: usize = 16 << 20;
/// Parts under way at once.
const PARTS_AT_ONCE: usize = 4;

/// An object found by a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The key below the listed folder.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
}

/// What an object is at one moment; once other bytes are there, it has another state.
#[derive(Clone, Debug)]
pub struct ObjectState {
    /// Its size.
    pub size_bytes: u64,
    /// When it was last written.
    pub modified_at: DateTime<Utc>,
    /// The store's mark of its bytes.
    e_tag: Option<String>,
}

impl ObjectState {
    fn of(meta: ObjectMeta) -> ObjectState {
        ObjectState { size_bytes: meta.size, modified_at: meta.last_modified, e_tag: meta.e_tag }
    }

    /// Whether the object has not been written in between. A mark decides before a time, which a listing may round.
    pub fn is_still(&self, other: &ObjectState) -> bool {
        let is_same = match (&self.e_tag, &other.e_tag) {
            (Some(mark), Some(other)) => mark == other,
            _ => self.modified_at == other.modified_at,
        };
        is_same && self.size_bytes == other.size_bytes
    }
}

/// What a conditional write expects to find.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    Absent,
    Version(Option<String>),
}

/// How to reach S3, where it is not to come from the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Access {
    /// The endpoint's URL; `http://` is allowed.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret; never shown.
    pub secret_access_key: String,
}

impl std::fmt::Debug for S3Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Access")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl S3Access {
    fn builder(&self) -> AmazonS3Builder {
        at_endpoint(AmazonS3Builder::new(), &self.endpoint)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(&self.secret_access_key)
    }
}

fn builder_from_env() -> AmazonS3Builder {
    let builder = AmazonS3Builder::from_env();
    let mut endpoints = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().filter_map(|name| std::env::var(name).ok());
    match endpoints.find(|endpoint| !endpoint.is_empty()) {
        Some(endpoint) => at_endpoint(builder, &endpoint),
        None => builder,
    }
}

fn at_endpoint(builder: AmazonS3Builder, endpoint: &str) -> AmazonS3Builder {
    // Both keys, because the service's own variable would win over `with_endpoint`.
    builder
        .with_allow_http(endpoint.starts_with("http://"))
        .with_config(AmazonS3ConfigKey::S3Endpoint, endpoint)
        .with_endpoint(endpoint)
}

/// A connection; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    bucket: Option<String>,
    crash: Arc<CrashPoint>,
}

impl Store {
    /// Connects. Without `access`, S3 takes region, credentials and endpoint from the standard AWS environment
    /// (`AWS_ENDPOINT_URL_S3` before `AWS_ENDPOINT_URL`); an `http://` endpoint is allowed when named there.
    pub(super) fn open(location: &Location, access: Option<&S3Access>, crash: Arc<CrashPoint>) -> Result<Store, Error> {
        let Location::S3 { bucket, .. } = location else {
            return Ok(Store { inner: Arc::new(LocalFileSystem::new()), bucket: None, crash });
        };
        let builder = access.map_or_else(builder_from_env, S3Access::builder).with_bucket_name(bucket);
        let inner = builder.build().map_err(|source| Error::storage("connect to", format!("s3://{bucket}"), source))?;
        Ok(Store { inner: Arc::new(inner), bucket: Some(bucket.clone()), crash })
    }

    /// The URI of a key.
    pub fn uri(&self, key: &str) -> String {
        match &self.bucket {
            Some(bucket) if key.is_empty() => format!("s3://{bucket}"),
            Some(bucket) => format!("s3://{bucket}/{key}"),
            None => format!("file:///{key}"),
        }
    }

    /// The URL of a key as DataFusion and Delta Lake have it: percent-encoded, with a slash at the end of a folder's.
    pub(crate) fn url(&self, key: &str, folder: bool) -> Url {
        let mut url = match &self.bucket {
            Some(bucket) => Url::parse(&format!("s3://{bucket}/")),
            None => Url::parse("file:///"),
        }
        .expect("a bucket's name was checked to be a host's");
        let segments = key.split('/').filter(|segment| !segment.is_empty());
        if key.is_empty() {
            return url;
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
            if folder {
                path.push("");
            }
        }
        url
    }

    /// The connection for others; they write through the same crash points.
    pub(crate) fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(Counted::new(self.inner.clone(), self.crash.clone(), self.bucket.is_none()))
    }

    /// What the store says about an object.
    pub(crate) async fn head(&self, key: &str) -> Result<ObjectMeta, Error> {
        self.inner.head(&self.path(key)?).await.map_err(|error| self.fail("read", key, error))
    }

    /// The path of a key, on the file system.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        self.bucket.is_none().then(|| PathBuf::from("/").join(key))
    }

    pub(crate) fn step(&self, step: impl FnOnce() -> String) -> Result<(), Error> {
        self.crash.step(step)
    }

    fn path(&self, key: &str) -> Result<Path, Error> {
        Path::parse(key).map_err(|error| Error::Location { text: self.uri(key), reason: error.to_string() })
    }

    fn fail(&self, action: &'static str, key: &str, error: object_store::Error) -> Error {
        match error {
            object_store::Error::NotFound { .. } => Error::NotFound { uri: self.uri(key) },
            error => Error::storage(action, self.uri(key), error),
        }
    }

    /// All objects under a folder, by name. A folder that does not exist is empty.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let found = self.states(folder).await?;
        Ok(found.into_iter().map(|(name, state)| Object { name, size_bytes: state.size_bytes }).collect())
    }

    /// As [`Store::list`], with what the store says about each.
    pub(super) async fn states(&self, folder: &str) -> Result<Vec<(String, ObjectState)>, Error> {
        let prefix = self.path(folder)?;
        let metas: Vec<_> =
            self.inner.list(Some(&prefix)).try_collect().await.map_err(|error| self.fail("list", folder, error))?;
        let mut objects: Vec<(String, ObjectState)> = metas
            .into_iter()
            .filter_map(|meta| {
                let key = meta.location.as_ref();
                let name = if folder.is_empty() { key } else { key.strip_prefix(folder)?.strip_prefix('/')? };
                Some((name.to_owned(), ObjectState::of(meta)))
            })
            .collect();
        objects.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(objects)
    }

    /// What an object is now; `None` if it does not exist.
    pub(super) async fn state(&self, key: &str) -> Result<Option<ObjectState>, Error> {
        match self.head(key).await {
            Ok(meta) => Ok(Some(ObjectState::of(meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of the folders directly in a folder, in order.
    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>, Error> {
        let prefix = self.path(folder)?;
        let listed = match self.inner.list_with_delimiter(Some(&prefix)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            listed => listed.map_err(|error| self.fail("list", folder, error))?,
        };
        let mut names: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    pub(super) async fn get(&self, key: &str) -> Result<Bytes, Error> {
        Ok(self.get_version(key).await?.0)
    }

    /// The object and the version a conditional write can name.
    pub(super) async fn get_version(&self, key: &str) -> Result<(Bytes, Option<String>), Error> {
        let result = self.inner.get(&self.path(key)?).await.map_err(|error| self.fail("read", key, error))?;
        let version = result.meta.e_tag.clone();
        Ok((result.bytes().await.map_err(|error| self.fail("read", key, error))?, version))
    }

    pub(super) async fn get_range(&self, key: &str, range: std::ops::Range<u64>) -> Result<Bytes, Error> {
        self.inner.get_range(&self.path(key)?, range).await.map_err(|error| self.fail("read", key, error))
    }

    pub(super) async fn put(&self, key: &str, bytes: impl Into<PutPayload>) -> Result<(), Error> {
        self.step(|| format!("write {}", self.uri(key)))?;
        let path = self.path(key)?;
        self.inner.put(&path, bytes.into()).await.map_err(|error| self.fail("write", key, error))?;
        Ok(())
    }

    /// Writes an object from a file of this machine, in parts if it is large; whole or not at all.
    pub(super) async fn put_file(&self, key: &str, file: &std::path::Path) -> Result<(), Error> {
        let local = |error: std::io::Error| Error::storage("read", file.display().to_string(), error);
        let mut source = tokio::fs::File::open(file).await.map_err(local)?;
        let size_bytes = source.metadata().await.map_err(local)?.len();
        if size_bytes <= PART_BYTES as u64 {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes).await.map_err(local)?;
            return self.put(key, bytes).await;
        }
        self.step(|| format!("write {}", self.uri(key)))?;
        let failed = |error| self.fail("write", key, error);
        let upload = self.inner.put_multipart(&self.path(key)?).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut left = size_bytes;
        while left > 0 {
            let mut part = Vec::with_capacity(PART_BYTES);
            let read = (&mut source).take(PART_BYTES as u64).read_to_end(&mut part).await.map_err(local)?;
            if read == 0 {
                let cut = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file became shorter");
                return Err(local(cut));
            }
            left = left.saturating_sub(read as u64);
            upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
            upload.put(Bytes::from(part));
        }
        upload.finish().await.map_err(failed)?;
        Ok(())
    }

    /// Writes if the object is as expected; `false` if it is not.
    pub(super) async fn put_if(&self, key: &str, bytes: impl Into<PutPayload>, expect: Expect) -> Result<bool, Error> {
        self.step(|| format!("write {}", self.uri(key)))?;
        let mode = match expect {
            Expect::Absent => PutMode::Create,
            Expect::Version(e_tag) => PutMode::Update(UpdateVersion { e_tag, version: None }),
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.inner.put_opts(&self.path(key)?, bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. }
                | object_store::Error::NotFound { .. },
            ) => Ok(false),
            Err(error) => Err(self.fail("write", key, error)),
        }
    }

    /// Deletes; an object that is already gone is fine.
    pub(super) async fn delete(&self, key: &str) -> Result<(), Error> {
        self.step(|| format!("delete {}", self.uri(key)))?;
        match self.inner.delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.fail("delete", key, error)),
        }
    }

    pub(super) async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.step(|| format!("copy {} to {}", self.uri(from), self.uri(to)))?;
        let (source, target) = (self.path(from)?, self.path(to)?);
        self.inner.copy(&source, &target).await.map_err(|error| self.fail("copy", from, error))
    }
}
