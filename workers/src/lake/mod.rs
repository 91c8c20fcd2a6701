//! The lake: datasets as folders of Parquet files on `file://` and `s3://`.
//!
//! Jobs address a place as bucket and prefix (or as one URI) through [`Lake`], read rows with declared types
//! ([`read`]), and replace whole partitions ([`publish`]) so that a reader sees the old one or the new one. What this
//! module does not do: decide what the data mean; that is the jobs' part.

mod column;
mod counted;
mod crash;
pub mod delta;
mod error;
mod fingerprint;
mod folder;
pub(crate) mod frames;
mod hidden;
mod location;
mod lock;
mod parquet_bounds;
mod parquet_file;
mod parquet_slices;
mod partition;
mod partition_read;
pub mod publish;
pub mod read;
mod rows;
mod store;
mod success;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub use column::{Column, Kind, column};
pub(crate) use column::{columns_of, schema_of};
pub use crash::CrashPoint;
pub(crate) use error::Cause;
pub use error::Error;
pub use fingerprint::{Fingerprint, FingerprintChange, record_fingerprint};
pub use folder::Folder;
pub use hidden::is_data;
pub use location::Location;
pub use lock::{LOCK_SECONDS, PartitionLock};
pub(crate) use parquet_bounds::{ColumnPages, check_footer};
pub(crate) use parquet_file::{ParquetFile, ParquetFileEnd};
pub use partition::{PARTITION_VALUE_NULL, Partition, PartitionState, Table, hive_name, hive_value};
pub use partition_read::PartitionRead;
pub use rows::Rows;
pub(crate) use rows::conform_batches;
pub use store::{Object, ObjectState, S3Access, Store};
pub(crate) use success::audit_time;
pub use success::{SUCCESS_NAME, Success, SuccessFile};
pub use write::{Codec, FileSizing, encode_parquet};

/// Where buckets are, and the connections already made to them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    /// The folder whose sub-folders stand for buckets; `None`: buckets are real S3 buckets.
    root: Option<Location>,
    access: Option<S3Access>,
    crash: Arc<CrashPoint>,
    /// What the rows of one read may take; `None`: what the environment says.
    read_memory_bytes: Option<u64>,
    buckets: Arc<Mutex<HashMap<String, Store>>>,
}

impl Lake {
    /// The lake of the environment: `STEPWELL_LAKE` is the storage root (a path, `file://` or `s3://bucket/prefix`);
    /// when it is absent or exactly `s3://`, buckets are real S3 buckets. `STEPWELL_CRASH_AT_WRITE=n` aborts the process
    /// before its n-th write (crash tests).
    ///
    /// # Errors
    /// If `STEPWELL_LAKE` is no location or the crash point no number.
    pub fn from_env() -> Result<Lake, Error> {
        let root = std::env::var("STEPWELL_LAKE").unwrap_or_default();
        Ok(Lake { crash: Arc::new(CrashPoint::from_env()?), ..Lake::at(&root)? })
    }

    /// The lake whose buckets are folders under `root`; an empty root or `s3://` means real buckets.
    ///
    /// # Errors
    /// If `root` is no location.
    pub fn at(root: &str) -> Result<Lake, Error> {
        let root = match root.trim() {
            "" | "s3://" | "s3a://" => None,
            root => Some(Location::parse(root)?),
        };
        Ok(Lake { root, access: None, crash: Arc::default(), read_memory_bytes: None, buckets: Arc::default() })
    }

    /// This lake, with a fresh count of writes and a crash at the given point.
    #[must_use]
    pub fn with_crash_point(&self, crash: CrashPoint) -> Lake {
        // Connections carry the crash point, so they are not shared with the other lake.
        Lake { crash: Arc::new(crash), buckets: Arc::default(), ..self.clone() }
    }

    /// This lake, with S3 reached as given instead of as the environment says.
    #[must_use]
    pub fn with_s3_access(&self, access: S3Access) -> Lake {
        Lake { access: Some(access), buckets: Arc::default(), ..self.clone() }
    }

    /// This lake, with so much memory for the rows of a read instead of `STEPWELL_READ_MEMORY_MIB`; more of them go through
    /// temporary files.
    #[must_use]
    pub fn with_read_memory(&self, bytes: u64) -> Lake {
        Lake { read_memory_bytes: Some(bytes), ..self.clone() }
    }

    /// What the rows of one read may take in memory, in bytes.
    ///
    /// # Errors
    /// [`Error::Configuration`] if `STEPWELL_READ_MEMORY_MIB` is no number.
    pub(crate) fn read_memory_bytes(&self) -> Result<u64, Error> {
        match self.read_memory_bytes {
            Some(bytes) => Ok(bytes),
            None => Ok(read::limit::memory_mb()?.saturating_mul(1 << 20)),
        }
    }

    /// Write steps so far, counted for crash tests.
    pub fn write_count(&self) -> u64 {
        self.crash.write_count()
    }

    /// The folder `prefix` of a bucket. The bucket is a name (a folder under the root, or a real bucket) or a URI.
    ///
    /// # Errors
    /// If bucket or prefix is malformed, or the connection cannot be configured.
    pub fn folder(&self, bucket: &str, prefix: &str) -> Result<Folder, Error> {
        let location = if bucket.contains("://") || bucket.starts_with('/') {
            self.place(Location::parse(bucket)?)?
        } else {
            self.place(Location::bucket(bucket)?)?
        };
        self.open(&location.child(prefix)?)
    }

    /// The folder a URI names. Under a storage root `s3://bucket/key` is `<root>/bucket/key`, so that the input of a
    /// pipeline is the same here and on AWS.
    ///
    /// # Errors
    /// As [`Lake::folder`].
    pub fn folder_at(&self, uri: &str) -> Result<Folder, Error> {
        self.open(&self.place(Location::parse(uri)?)?)
    }

    /// The folder of a URI that [`Folder::uri`] gave, wherever the storage root is.
    ///
    /// # Errors
    /// As [`Lake::folder`].
    pub(crate) fn folder_of(&self, uri: &str) -> Result<Folder, Error> {
        self.open(&Location::parse(uri)?)
    }

    fn place(&self, location: Location) -> Result<Location, Error> {
        match (&self.root, location) {
            (Some(root), Location::S3 { bucket, key }) => root.child(&bucket)?.child(&key),
            (_, location) => Ok(location),
        }
    }

    fn open(&self, location: &Location) -> Result<Folder, Error> {
        let bucket = match location {
            Location::S3 { bucket, .. } => bucket.as_str(),
            Location::File { .. } => "",
        };
        let mut buckets = self.buckets.lock();
        let store = match buckets.get(bucket) {
            Some(store) => store.clone(),
            None => {
                let store = Store::open(location, self.access.as_ref(), self.crash.clone())?;
                buckets.insert(bucket.to_owned(), store.clone());
                store
            }
        };
        Ok(Folder::new(store, location.key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_folder_under_the_root_or_a_place_of_its_own() {
        let rooted = Lake::at("/srv/lake").unwrap();
        let real = Lake::at("s3://").unwrap();
        for (lake, bucket, prefix, uri) in [
            (&rooted, "raw", "a/b/", "file:///srv/lake/raw/a/b"),
            (&rooted, "s3://raw/x", "a", "file:///srv/lake/raw/x/a"),
            (&rooted, "file:///x/raw", "", "file:///x/raw"),
            (&rooted, "/x/raw", "/a", "file:///x/raw/a"),
            (&real, "raw", "a/b", "s3://raw/a/b"),
            (&real, "s3a://raw", "", "s3://raw"),
        ] {
            assert_eq!(lake.folder(bucket, prefix).unwrap().uri(), uri, "{bucket} {prefix}");
        }
        assert!(rooted.folder("raw", "../../etc").is_err(), "no way out of the root");
        assert!(rooted.folder("../raw", "").is_err());
        assert!(rooted.folder("", "x").is_err());
    }
}
