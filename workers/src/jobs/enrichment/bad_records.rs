//! Rows that cannot be used, set aside as JSON lines `{reason, record}`, with `file` and `line` if they are of a raw file.
//!
//! Source: pipelines.md 4.4, 9.

use serde::Serialize;
use serde_json::Value;

use crate::job::JobError;
use crate::lake::Folder;

/// A part is written when its text reaches this size.
const PART_BYTES: usize = 8 << 20;
/// The longest text kept of a record that is no JSON.
pub const RECORD_CHARS_MAX: usize = 10_000;

/// Writes the bad records of one unit of work. The same unit always makes the same parts, so a repeated attempt
/// replaces what an earlier one left.
pub struct BadRecords {
    folder: Folder,
    text: String,
    part: usize,
    count: u64,
}

/// Where a record of a raw file is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Place<'a> {
    /// The file.
    pub file: &'a str,
    /// The line in it, from 1.
    pub line: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    reason: &'a str,
    record: &'a Value,
    #[serde(flatten)]
    place: Option<Place<'a>>,
}

impl BadRecords {
    /// Into `folder` (`…/batch_id=7`).
    pub fn into(folder: Folder) -> BadRecords {
        BadRecords { folder, text: String::new(), part: 0, count: 0 }
    }

    /// Adds a record; `place` if it comes from a raw file.
    ///
    /// # Errors
    /// `STORAGE_ERROR`.
    pub async fn add(&mut self, reason: &str, record: &Value, place: Option<Place<'_>>) -> Result<(), JobError> {
        let line = serde_json::to_string(&Line { reason, record, place }).expect("a record has string keys only");
        self.text.push_str(&line);
        self.text.push('\n');
        self.count += 1;
        if self.text.len() >= PART_BYTES { self.write_part().await } else { Ok(()) }
    }

    /// Writes what is left; how many records there were.
    ///
    /// # Errors
    /// `STORAGE_ERROR`.
    pub async fn finish(mut self) -> Result<u64, JobError> {
        if !self.text.is_empty() {
            self.write_part().await?;
            tracing::warn!(row_count = self.count, "Set {} bad record(s) aside in `{}`", self.count, self.folder.uri());
        }
        Ok(self.count)
    }

    async fn write_part(&mut self) -> Result<(), JobError> {
        let name = format!("part-{:05}.jsonl", self.part);
        self.folder.put(&name, std::mem::take(&mut self.text)).await?;
        self.part += 1;
        Ok(())
    }
}
