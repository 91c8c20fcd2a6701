//! `_SUCCESS`: what a complete partition consists of.

use serde::{Deserialize, Serialize};

/// The object's name in its partition.
pub const SUCCESS_NAME: &str = "_SUCCESS";

/// The content of `_SUCCESS`. Readers take the files it names and no others.
///
/// Source: pipelines.md 0.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Success {
    /// The run that wrote the partition.
    pub run_id: String,
    /// ISO-8601, UTC.
    pub written_at: String,
    /// Rows in all files; `null` for files adopted from another writer.
    pub rows: Option<u64>,
    /// The files, in reading order.
    pub files: Vec<SuccessFile>,
}

/// One data file of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessFile {
    /// The name within the partition's folder.
    pub name: String,
    /// Rows; `null` if not known.
    pub rows: Option<u64>,
    /// Size in bytes.
    pub bytes: u64,
}

impl Success {
    /// Size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always serialise")
    }
}

/// The instant as audit times are written: ISO-8601, UTC, `Z`, microseconds.
pub(crate) fn audit_time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
