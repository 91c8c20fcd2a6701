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

    async fn settle(&self, location: &Path) -> Result<()> {
        if self.is_local { sync(location).await } else { Ok(()) }
    }
}

/// Waits until a file and its name are on the disk.
async fn sync(location: &Path) -> Result<()> {
    let path = PathBuf::from("/").join(location.as_ref());
    let synced = tokio::task::spawn_blocking(move || {
        File::open(&path)?.sync_all()?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    });
    let synced = synced.await.map_err(std::io::Error::other).flatten();
    synced.map_err(|error| object_store::Error::Generic { store: "lake", source: Box::new(error) })
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
        let put = self.inner.put_opts(location, payload, opts).await?;
        self.settle(location).await?;
        Ok(put)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        let (crash, location, is_local) = (self.crash.clone(), location.clone(), self.is_local);
        Ok(Box::new(CountedUpload { upload, crash, location, is_local }))
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
        self.inner.copy_opts(from, to, options).await?;
        self.settle(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        step(&self.crash, "rename to", to)?;
        self.inner.rename_opts(from, to, options).await?;
        self.settle(to).await
    }
}

/// The parts of a large object are nobody's business until it is complete.
#[derive(Debug)]
struct CountedUpload {
    upload: Box<dyn MultipartUpload>,
    crash: Arc<CrashPoint>,
    location: Path,
    is_local: bool,
}

#[async_trait]
impl MultipartUpload for CountedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        step(&self.crash, "write", &self.location)?;
        let put = self.upload.complete().await?;
        if self.is_local {
            sync(&self.location).await?;
        }
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
