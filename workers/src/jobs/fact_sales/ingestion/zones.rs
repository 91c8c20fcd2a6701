//! The zones of the sales files, and the names of things in them.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::job::JobError;
use crate::lake::{Error, Folder, hive_name};

use super::super::columns::DATE;
use super::super::pending::Pending;

/// Where files arrive.
pub(super) const RAW: &str = "raw";
/// Where files are that have been read to their end.
pub(super) const VALIDATED: &str = "validated";
/// Where accepted rows are, by date.
pub(super) const PROCESSED: &str = "processed";

/// The folder that holds all zones.
#[derive(Clone, Debug)]
pub(super) struct Zones {
    pub base: Folder,
}

/// Why a file is set aside as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetAside {
    /// It is no sales file.
    Structural,
    /// Something failed that may have nothing to do with it.
    System,
}

impl SetAside {
    pub fn name(self) -> &'static str {
        match self {
            SetAside::Structural => "structural",
            SetAside::System => "system",
        }
    }
}

impl Zones {
    pub fn pending(&self) -> Pending {
        Pending::new(self.base.clone(), PROCESSED)
    }

    /// From one key below the base to another.
    pub async fn relocate(&self, from: &str, to: &str) -> Result<(), Error> {
        self.base.copy(from, to).await?;
        self.base.delete(from).await
    }

    /// Sets a file of a zone aside, beside a JSON that says why. One of that name that is there already stays: the later one
    /// gets a name with the time and the run.
    pub async fn set_aside(
        &self,
        zone: &str,
        file: &str,
        aside: SetAside,
        reason: &serde_json::Value,
        at: DateTime<Utc>,
        run_id: &str,
    ) -> Result<(), JobError> {
        let place = format!("rejected/{}", aside.name());
        let taken = self.base.child(&place).state(file).await?.is_some();
        let suffix = if taken { mark(at, run_id) } else { String::new() };
        let to = format!("{place}/{file}{suffix}");
        self.base.put(&format!("{to}_reason.json"), reason.to_string()).await?;
        Ok(self.relocate(&format!("{zone}/{file}"), &to).await?)
    }
}

/// The names of one file's results: the same file with the same bytes has the same names again.
#[derive(Clone, Debug)]
pub(super) struct Names {
    file: String,
    /// Part of every name.
    pub id: String,
}

impl Names {
    pub fn new(file: &str, sha256: &str) -> Names {
        let digest = hex::encode(Sha256::digest(format!("{file}\0{sha256}")));
        let last = file.rsplit('/').next().unwrap_or(file);
        let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
        let legal = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' };
        // A leading dot or underscore would hide the file from readers.
        let stem: String = stem.trim_start_matches(['.', '_']).chars().take(80).map(legal).collect();
        Names { file: file.to_owned(), id: format!("{stem}-{}", &digest[..16]) }
    }

    /// The accepted rows of a date.
    pub fn processed(&self, date: &str) -> String {
        format!("{PROCESSED}/{}/{}.parquet", hive_name(DATE, Some(date)), self.id)
    }

    /// The rejected rows, as `json` or `csv`.
    pub fn rejects(&self, form: &str) -> String {
        format!("rejected/data_quality/{form}/{}.{form}", self.id)
    }

    /// The data quality report.
    pub fn report(&self) -> String {
        format!("quality/{}.json", self.id)
    }

    /// The file itself.
    pub fn archive(&self, at: DateTime<Utc>, run_id: &str) -> String {
        format!("archive/validated/{}{}", self.file, mark(at, run_id))
    }
}

/// What tells files of one name apart.
fn mark(at: DateTime<Utc>, run_id: &str) -> String {
    format!("_{}_{run_id}", at.format("%Y%m%dT%H%M%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_file_and_content() {
        let names = Names::new("2024/_sales (1).csv", "ab");
        assert_eq!(names.id, Names::new("2024/_sales (1).csv", "ab").id);
        assert_ne!(names.id, Names::new("2025/_sales (1).csv", "ab").id);
        assert_ne!(names.id, Names::new("2024/_sales (1).csv", "cd").id);
        let processed = names.processed("2024-12-07");
        assert!(processed.starts_with("processed/date=2024-12-07/sales--1--"), "{processed}");
        let at = DateTime::parse_from_rfc3339("2024-12-08T01:02:03Z").unwrap().to_utc();
        assert_eq!(names.archive(at, "r1"), "archive/validated/2024/_sales (1).csv_20241208T010203_r1");
    }
}
