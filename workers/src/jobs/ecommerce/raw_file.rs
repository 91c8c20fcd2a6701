//! Raw files on their way: `raw/<table>` → `processing` → `processed` (and a copy in `archive`), or `failed`.
//!
//! A move is a copy and a deletion, so a crash between leaves the file in both places; the next run finds it in
//! `processing` (or again where it came in) and goes on. Beside each file lies `<name>.status.json`.
//!
//! Source: pipelines.md 5.7.

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::json;

use super::settings::Settings;
use super::table::{Layer, Source};
use crate::job::JobContext;
use crate::lake::{Error, Folder, Object, audit_time};

const PROCESSING: &str = "processing";
const PROCESSED: &str = "processed";
const FAILED: &str = "failed";
const ARCHIVE: &str = "archive";

/// The raw folders of one dataset.
#[derive(Clone, Debug)]
pub(super) struct RawFiles {
    bucket: Folder,
    dataset: &'static str,
    run_id: String,
}

/// A file that waits to be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawFile {
    /// Its name below the dataset's folder.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Whether it lies where files come in; else an earlier run left it in `processing`.
    incoming: bool,
}

impl RawFile {
    /// The file as the lake's readers take it.
    pub fn object(&self) -> Object {
        Object { name: self.name.clone(), size_bytes: self.size_bytes }
    }
}

impl RawFiles {
    /// The raw files of a source.
    pub fn new(context: &JobContext, settings: &Settings, source: &Source) -> RawFiles {
        RawFiles { bucket: settings.bucket.clone(), dataset: source.name, run_id: context.run_id.clone() }
    }

    #[cfg(test)]
    pub fn test_file(size_bytes: u64) -> RawFile {
        RawFile { name: "x.csv".to_owned(), size_bytes, incoming: true }
    }

    /// The folder from which files are read: `raw/processing/<dataset>`.
    pub fn processing(&self) -> Folder {
        self.bucket.child(&self.key(PROCESSING))
    }

    fn key(&self, status: &str) -> String {
        format!("{}/{status}/{}", Layer::Raw, self.dataset)
    }

    fn original(&self, name: &str) -> String {
        format!("{}/{}/{name}", Layer::Raw, self.dataset)
    }

    /// The files that wait, by name: those delivered, and those a run that broke off left behind.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn waiting(&self) -> Result<Vec<RawFile>, Error> {
        let mut files = BTreeMap::new();
        // A file delivered again counts instead of the one left behind.
        for (folder, incoming) in
            [(self.processing(), false), (self.bucket.child(&format!("{}/{}", Layer::Raw, self.dataset)), true)]
        {
            for object in folder.data_objects().await? {
                let file = RawFile { name: object.name.clone(), size_bytes: object.size_bytes, incoming };
                files.insert(object.name, file);
            }
        }
        Ok(files.into_values().collect())
    }

    /// Moves a file to `processing`.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn begin(&self, file: &RawFile) -> Result<(), Error> {
        self.note(PROCESSING, &file.name, None).await?;
        if file.incoming {
            let original = self.original(&file.name);
            self.bucket.copy(&original, &format!("{}/{}", self.key(PROCESSING), file.name)).await?;
            self.bucket.delete(&original).await?;
        }
        Ok(())
    }

    /// Moves a file from `processing` to `processed`, with a copy in `archive`.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn succeed(&self, file: &RawFile) -> Result<(), Error> {
        let from = format!("{}/{}", self.key(PROCESSING), file.name);
        for status in [ARCHIVE, PROCESSED] {
            self.note(status, &file.name, None).await?;
            self.bucket.copy(&from, &format!("{}/{}", self.key(status), file.name)).await?;
        }
        self.leave(&file.name).await
    }

    /// Moves a file from `processing` to `failed`, with the reason.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn fail(&self, file: &RawFile, reason: &str) -> Result<(), Error> {
        let from = format!("{}/{}", self.key(PROCESSING), file.name);
        self.note(FAILED, &file.name, Some(reason)).await?;
        self.bucket.copy(&from, &format!("{}/{}", self.key(FAILED), file.name)).await?;
        self.leave(&file.name).await
    }

    /// Takes the file out of `processing`; its side file last, so that a file never lies there without one.
    async fn leave(&self, name: &str) -> Result<(), Error> {
        let processing = self.processing();
        processing.delete(name).await?;
        processing.delete(&side_file(name)).await
    }

    async fn note(&self, status: &str, name: &str, error: Option<&str>) -> Result<(), Error> {
        let mut content = json!({
            "original_path": self.bucket.uri_of(&self.original(name)),
            "status": status,
            "timestamp": audit_time(Utc::now()),
            "run_id": self.run_id,
        });
        if let Some(error) = error {
            content["error_message"] = error.into();
        }
        let key = format!("{}/{}", self.key(status), side_file(name));
        self.bucket.put(&key, content.to_string()).await
    }
}

fn side_file(name: &str) -> String {
    format!("{name}.status.json")
}
