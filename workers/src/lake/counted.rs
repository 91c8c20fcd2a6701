//! The lake's own object stores for DataFusion and Delta Lake: the same connection, the same crash points at every write.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use super::CrashPoint;

/// An object store that counts writes as [`super::Store`] does. On files, what was written is on the disk when a write
/// returns: a Delta table's log must not outlive the data it names.
#[derive(Debug)]
pub(super) struct Counted {
    inner: Arc<dyn ObjectStore>,
    crash: Arc<CrashPoint>,
    is_local: bool,
}

impl Counted {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, crash: Arc<CrashPoint>, is_local: bool) -> Counted {
        Counted { inner, crash, is_local }
    }

    /// Called before a write to the place.
    async fn expect(&self, location: &Path) -> Result<Option<Unsynced>> {
        if !self.is_local {
            return Ok(None);
        }
        let file = PathBuf::from("/").join(location.as_ref());
        on_disk(move || Ok(Some(Unsynced::of(file, std::path::Path::is_dir)))).await
    }
}

/// What a write leaves to be made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unsynced {
    file: PathBuf,
    /// The file's, and as far as they are new those that they are named in.
    folders: Vec<PathBuf>,
}

impl Unsynced {
    /// Of a file that is to be written. A folder that another writer makes at the same moment is the other's to sync.
    fn of(file: PathBuf, exists: impl Fn(&std::path::Path) -> bool) -> Unsynced {
        let mut folders = Vec::new();
        for folder in file.ancestors().skip(1) {
            folders.push(folder.to_owned());
            if exists(folder) {
                break;
            }
        }
        Unsynced { file, folders }
    }
}

/// Waits until a file and its name, and the names of the folders made for it, are on the disk.
async fn settle(written: Option<Unsynced>) -> Result<()> {
    let Some(Unsynced { file, folders }) = written else { return Ok(()) };
    on_disk(move || {
        File::open(&file)?.sync_all()?;
        folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
    })
    .await
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other).flatten();
    done.map_err(|error| object_store::Error::Generic { store: "lake", source: Box::new(error) })
}

fn step(crash: &CrashPoint, action: &str, path: &Path) -> Result<()> {
    crash
        .step(|| format!("{action} {path}"))
        .map_err(|error| object_store::Error::Generic { store: "lake", source: Box::new(error) })
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        step(&self.crash, "write", location)?;
        let expected = self.expect(location).await?;
        let put = self.inner.put_opts(location, payload, opts).await?;
        settle(expected).await?;
        Ok(put)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let expected = self.expect(location).await?;
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        let (crash, location) = (self.crash.clone(), location.clone());
        Ok(Box::new(CountedUpload { upload, crash, location, expected }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let crash = self.crash.clone();
        let counted = locations.map(move |location| {
            let location = location?;
            step(&crash, "delete", &location)?;
            Ok(location)
        });
        self.inner.delete_stream(counted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        step(&self.crash, "copy to", to)?;
        let expected = self.expect(to).await?;
        self.inner.copy_opts(from, to, options).await?;
        settle(expected).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        step(&self.crash, "rename to", to)?;
        let expected = self.expect(to).await?;
        self.inner.rename_opts(from, to, options).await?;
        settle(expected).await
    }
}

/// The parts of a large object are nobody's business until it is complete.
#[derive(Debug)]
struct CountedUpload {
    upload: Box<dyn MultipartUpload>,
    crash: Arc<CrashPoint>,
    location: Path,
    expected: Option<Unsynced>,
}

#[async_trait]
impl MultipartUpload for CountedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        step(&self.crash, "write", &self.location)?;
        let put = self.upload.complete().await?;
        settle(self.expected.clone()).await?;
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::local::LocalFileSystem;

    use super::*;

    #[test]
    fn new_folders_are_synced_and_the_one_they_are_named_in() {
        for (there, folders) in [
            (&["/", "/lake", "/lake/t", "/lake/t/ds=1"][..], &["/lake/t/ds=1"][..]),
            (&["/", "/lake", "/lake/t"], &["/lake/t/ds=1", "/lake/t"]),
            (&["/", "/lake"], &["/lake/t/ds=1", "/lake/t", "/lake"]),
            (&["/"], &["/lake/t/ds=1", "/lake/t", "/lake", "/"]),
        ] {
            let found = Unsynced::of("/lake/t/ds=1/a.parquet".into(), |folder| there.iter().any(|it| folder == *it));
            assert_eq!(found.folders, folders.iter().map(PathBuf::from).collect::<Vec<_>>(), "{there:?}");
        }
    }

    #[tokio::test]
    async fn what_a_write_has_made_is_known_before_it() {
        let place = tempfile::tempdir().unwrap();
        let root = Path::from_filesystem_path(place.path()).unwrap();
        let store = Counted::new(Arc::new(LocalFileSystem::new()), Arc::new(CrashPoint::default()), true);
        let file = root.clone().join("t").join("ds=1").join("a");
        let folders = async || store.expect(&file).await.unwrap().unwrap().folders.len();
        assert_eq!(folders().await, 3, "the partition, the table and what the table is in");
        store.put(&file, PutPayload::from_static(b"x")).await.unwrap();
        assert_eq!(folders().await, 1, "all are there now");
        let mut upload = store.put_multipart(&root.clone().join("u").join("b")).await.unwrap();
        upload.put_part(PutPayload::from_static(b"y")).await.unwrap();
        upload.complete().await.unwrap();
        store.copy(&file, &root.clone().join("v").join("c")).await.unwrap();
        store.rename(&file, &root.clone().join("w").join("d")).await.unwrap();
        for (name, bytes) in [("u/b", b"y"), ("v/c", b"x"), ("w/d", b"x")] {
            assert_eq!(std::fs::read(place.path().join(name)).unwrap(), bytes, "{name}");
        }
        let elsewhere = Counted::new(store.inner.clone(), store.crash.clone(), false);
        assert_eq!(elsewhere.expect(&file).await.unwrap(), None, "an object store makes durable what it takes");
    }
}
