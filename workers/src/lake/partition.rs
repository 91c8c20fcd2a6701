//! Partitions of a table: `key=value` folders, and whether they are complete.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use tokio::sync::OnceCell;

use super::publish::{INTENT, STAGING};
use super::success::{SUCCESS_NAME, Success, SuccessFile};
use super::{Error, Folder, Object, is_data};

/// What stands for null in a partition's path.
pub const PARTITION_VALUE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// `key=value` as a folder name; what a path cannot hold is percent-encoded.
pub fn hive_name(key: &str, value: Option<&str>) -> String {
    let mut name = format!("{key}=");
    for byte in value.filter(|value| !value.is_empty()).unwrap_or(PARTITION_VALUE_NULL).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b' ' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

/// The value of a `key=value` folder name, decoded; `None` if the name has another key, `Some(None)` for null.
pub fn hive_value(name: &str, key: &str) -> Option<Option<String>> {
    let value = name.strip_prefix(key)?.strip_prefix('=')?;
    if value == PARTITION_VALUE_NULL {
        return Some(None);
    }
    Some(Some(percent_decode_str(value).decode_utf8_lossy().into_owned()))
}

/// A table: a folder whose `ds=…` children are its partitions. Other children (`compacted`, `quarantine`) are not its data.
#[derive(Clone, Debug)]
pub struct Table {
    /// Where it is.
    pub folder: Folder,
    has_success: Option<Arc<OnceCell<bool>>>,
}

impl Table {
    /// The table in a folder.
    pub fn new(folder: Folder) -> Table {
        Table { folder, has_success: None }
    }

    /// The table, whose partitions find out together, once, whether anything in it was published: each would have to list
    /// the whole table for it. For reading many partitions at one time, not for what outlives a publication.
    #[must_use]
    pub fn looked_through_once(self) -> Table {
        Table { has_success: Some(Arc::default()), ..self }
    }

    /// The partition of a day, whether it exists or not.
    pub fn partition(&self, ds: &str) -> Partition {
        Partition {
            table: self.folder.clone(),
            name: hive_name("ds", Some(ds)),
            table_has_success: self.has_success.clone(),
        }
    }

    /// The days that have a folder, ascending; incomplete ones included.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn days(&self) -> Result<Vec<String>, Error> {
        let mut days: Vec<String> =
            self.folder.folders().await?.iter().filter_map(|name| hive_value(name, "ds").flatten()).collect();
        days.sort();
        Ok(days)
    }
}

/// One partition of a table.
#[derive(Clone, Debug)]
pub struct Partition {
    pub(super) table: Folder,
    pub(super) name: String,
    /// Shared with the other partitions of [`Table::looked_through_once`].
    table_has_success: Option<Arc<OnceCell<bool>>>,
}

/// What is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionState {
    /// No data.
    Absent,
    /// Published: exactly these files.
    Complete(Success),
    /// Put there by others, in a table without any `_SUCCESS`: all data files count.
    Legacy(Vec<Object>),
    /// Data files of an attempt that did not finish.
    Incomplete(Vec<Object>),
}

impl PartitionState {
    /// Whether the partition can be read as a whole.
    pub fn is_complete(&self) -> bool {
        matches!(self, PartitionState::Complete(_) | PartitionState::Legacy(_))
    }
}

impl Partition {
    /// The partition of a table's folder by its folder name (`ds=2024-12-07`).
    pub fn new(table: Folder, name: &str) -> Partition {
        Partition { table, name: name.to_owned(), table_has_success: None }
    }

    /// Its folder name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn folder(&self) -> Folder {
        self.table.child(&self.name)
    }

    /// Its URI.
    pub fn uri(&self) -> String {
        self.table.uri_of(&self.name)
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`Error::Storage`]; a fault is never read as "does not exist".
    pub async fn state(&self) -> Result<PartitionState, Error> {
        let folder = self.folder();
        let objects = folder.objects().await?;
        let data = || objects.iter().filter(|object| is_data(&object.name, object.size_bytes)).cloned().collect();
        if objects.iter().any(|object| object.name == SUCCESS_NAME) {
            // Gone between the two calls: another run replaces the partition, which then has its own `_SUCCESS`.
            let bytes = folder.get_optional(SUCCESS_NAME).await?.unwrap_or_default();
            return Ok(match serde_json::from_slice(&bytes) {
                Ok(success) => PartitionState::Complete(success),
                // Other engines leave an empty `_SUCCESS`; they mean all files.
                Err(_) if bytes.is_empty() => PartitionState::Complete(adopt(data())),
                Err(_) => PartitionState::Incomplete(data()),
            });
        }
        let data: Vec<Object> = data();
        if data.is_empty() {
            return Ok(PartitionState::Absent);
        }
        let started = self.table.child(STAGING).child(&self.name).get_optional(INTENT).await?.is_some();
        if started || self.table_has_success().await? {
            return Ok(PartitionState::Incomplete(data));
        }
        Ok(PartitionState::Legacy(data))
    }

    async fn table_has_success(&self) -> Result<bool, Error> {
        match &self.table_has_success {
            Some(known) => known.get_or_try_init(|| self.look_for_success()).await.copied(),
            None => self.look_for_success().await,
        }
    }

    async fn look_for_success(&self) -> Result<bool, Error> {
        let key = self.name.split('=').next().unwrap_or_default().to_owned() + "=";
        let objects = self.table.objects().await?;
        Ok(objects.iter().any(|object| {
            let mut parts = object.name.split('/');
            parts.next().is_some_and(|first| first.starts_with(&key))
                && parts.next_back().is_some_and(|last| last == SUCCESS_NAME)
        }))
    }
}

/// The `_SUCCESS` that stands for files of another writer.
pub(super) fn adopt(objects: Vec<Object>) -> Success {
    let files =
        objects.into_iter().map(|object| SuccessFile { name: object.name, rows: None, bytes: object.size_bytes });
    Success { run_id: String::new(), written_at: String::new(), rows: None, files: files.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_values_survive_their_folder_name() {
        for (value, name) in [
            (Some("2024-12-07"), "ds=2024-12-07"),
            (Some("a/b=c%"), "ds=a%2Fb%3Dc%25"),
            (Some("New York"), "ds=New York"),
            (None, "ds=__HIVE_DEFAULT_PARTITION__"),
        ] {
            assert_eq!(hive_name("ds", value), name);
            assert_eq!(hive_value(name, "ds"), Some(value.map(str::to_owned)), "{name}");
        }
        assert_eq!(hive_value("compacted", "ds"), None);
        assert_eq!(hive_value("dsx=1", "ds"), None);
    }
}
