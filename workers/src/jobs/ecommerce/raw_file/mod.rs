//! Raw files on their way: `raw/<table>` → `processing` → `processed` (and a copy in `archive`), or `failed`.
//!
//! A move is a copy and a deletion, so a crash between leaves the file in both places; the next run finds it in
//! `processing` (or again where it came in) and goes on. Beside each file lies `<name>.status.json`.
//!
//! Whoever delivers files may write one anew, or go on writing it, at any time, and on local disks a copy is another name for
//! the same bytes. So a file's state is looked at whenever something is decided by it: what was copied is deleted where it
//! came in only if it is still the same there, and what was read goes on to `processed` only if it is still the same here.
//!
//! Source: pipelines.md 5.7.

mod name;

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::json;

use self::name::{fault, is_alone, kept, side_file};
use super::settings::Settings;
use super::table::{Layer, Source};
use crate::job::JobContext;
use crate::lake::{Error, Folder, Object, ObjectState, audit_time, is_data};

const PROCESSING: &str = "processing";
const PROCESSED: &str = "processed";
const FAILED: &str = "failed";
const ARCHIVE: &str = "archive";

/// How often a file is copied that is written anew meanwhile.
const COPIES_MAX: u32 = 3;

/// The raw folders of one dataset.
#[derive(Clone, Debug)]
pub(super) struct RawFiles {
    bucket: Folder,
    dataset: &'static str,
    run_id: String,
}

/// A file that waits to be taken in.
#[derive(Clone, Debug)]
pub(super) struct RawFile {
    /// Its name below the dataset's folder.
    pub name: String,
    /// What it was when it was last looked at, where it lay then.
    state: ObjectState,
    /// Whether it lies where files come in; else it is in `processing`, by this run or an earlier one.
    incoming: bool,
}

impl RawFile {
    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.state.size_bytes
    }

    /// The file as the lake's readers take it.
    pub fn object(&self) -> Object {
        Object { name: self.name.clone(), size_bytes: self.size_bytes() }
    }
}

impl RawFiles {
    /// The raw files of a source.
    pub fn new(context: &JobContext, settings: &Settings, source: &Source) -> RawFiles {
        RawFiles { bucket: settings.bucket.clone(), dataset: source.name, run_id: context.run_id.clone() }
    }

    /// The folder from which files are read: `raw/processing/<dataset>`.
    pub fn processing(&self) -> Folder {
        self.bucket.child(&self.key(PROCESSING))
    }

    /// The folder of files that could not be taken: `raw/failed/<dataset>`.
    pub fn failed(&self) -> Folder {
        self.bucket.child(&self.key(FAILED))
    }

    fn key(&self, status: &str) -> String {
        format!("{}/{status}/{}", Layer::Raw, self.dataset)
    }

    fn original(&self, name: &str) -> String {
        format!("{}/{}/{name}", Layer::Raw, self.dataset)
    }

    /// The files that wait, in the order of their delivery: those a run that broke off left behind, then those delivered.
    /// Side files that such a run left without their file are removed.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn waiting(&self) -> Result<Vec<RawFile>, Error> {
        let processing = self.processing();
        let mut begun: BTreeMap<String, ObjectState> = processing.states().await?.into_iter().collect();
        for side in begun.keys().filter(|name| is_alone(name, |file| begun.contains_key(file))) {
            processing.delete(side).await?;
        }
        let delivered = self.bucket.child(&format!("{}/{}", Layer::Raw, self.dataset)).states().await?;
        for (name, _) in &delivered {
            // A file delivered again counts instead of the one left behind.
            begun.remove(name);
        }
        let files = begun.into_iter().map(|(name, state)| RawFile { name, state, incoming: false });
        let delivered = delivered.into_iter().map(|(name, state)| RawFile { name, state, incoming: true });
        let mut files: Vec<RawFile> =
            files.chain(delivered).filter(|file| is_data(&file.name, file.size_bytes())).collect();
        // Stable: files of one moment stay in the order of their names.
        files.sort_by_key(|file| (file.incoming, file.state.modified_at));
        Ok(files)
    }

    /// Why a file cannot be a partition of the bronze table; `None` if it can. Object stores take any name.
    pub fn name_fault(&self, file: &RawFile) -> Option<String> {
        self.bucket.local_path().and_then(|_| fault(&file.name))
    }

    /// Moves a file to `processing`; the file as it is there. `None` if it was taken away, or written anew again and again:
    /// then it stays where it came in.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn begin(&self, mut file: RawFile) -> Result<Option<RawFile>, Error> {
        self.note(PROCESSING, &file.name, &file.name, None).await?;
        let processing = self.processing();
        if file.incoming && !self.take(&mut file).await? {
            self.leave(&file.name).await?;
            return Ok(None);
        }
        let Some(state) = processing.state(&file.name).await? else {
            processing.delete(&side_file(&file.name)).await?;
            return Ok(None);
        };
        Ok(Some(RawFile { state, incoming: false, ..file }))
    }

    /// Moves the bytes; `false` if what was copied is not what is there now.
    async fn take(&self, file: &mut RawFile) -> Result<bool, Error> {
        let original = self.original(&file.name);
        for copy in 0..COPIES_MAX {
            match self.bucket.copy(&original, &format!("{}/{}", self.key(PROCESSING), file.name)).await {
                // What was delivered before by this name and begun, if anything, counts again.
                Err(Error::NotFound { .. }) => return Ok(copy == 0),
                copied => copied?,
            }
            // What is gone by now was copied whole, or it would not have been found.
            let Some(state) = self.bucket.state(&original).await? else { return Ok(true) };
            if state.is_still(&file.state) {
                self.bucket.delete(&original).await?;
                return Ok(true);
            }
            file.state = state;
        }
        Ok(false)
    }

    /// Whether a file in `processing` is still what it was when it was begun.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn is_unchanged(&self, file: &RawFile) -> Result<bool, Error> {
        Ok(self.processing().state(&file.name).await?.is_some_and(|state| state.is_still(&file.state)))
    }

    /// Moves a file from `processing` to `processed`, with a copy in `archive`; `false` if it is no longer what was read, and
    /// stays for the next run.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn succeed(&self, file: &RawFile) -> Result<bool, Error> {
        if !self.is_unchanged(file).await? {
            return Ok(false);
        }
        let from = format!("{}/{}", self.key(PROCESSING), file.name);
        for status in [ARCHIVE, PROCESSED] {
            self.note(status, &file.name, &file.name, None).await?;
            self.bucket.copy(&from, &format!("{}/{}", self.key(status), file.name)).await?;
        }
        self.leave(&file.name).await?;
        Ok(true)
    }

    /// Moves a file to `failed`, with the reason; a name too long for a side file is shortened there.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn fail(&self, file: &RawFile, reason: &str) -> Result<(), Error> {
        let kept = kept(&file.name);
        self.note(FAILED, &kept, &file.name, Some(reason)).await?;
        let target = format!("{}/{kept}", self.key(FAILED));
        if file.incoming {
            let original = self.original(&file.name);
            self.bucket.copy(&original, &target).await?;
            return self.bucket.delete(&original).await;
        }
        self.bucket.copy(&format!("{}/{}", self.key(PROCESSING), file.name), &target).await?;
        self.leave(&file.name).await
    }

    /// Takes the file out of `processing`; its side file last, so that a file never lies there without one.
    async fn leave(&self, name: &str) -> Result<(), Error> {
        let processing = self.processing();
        processing.delete(name).await?;
        processing.delete(&side_file(name)).await
    }

    /// Writes the side file of a file that is called `kept` in a status' folder and came in as `name`.
    async fn note(&self, status: &str, kept: &str, name: &str, error: Option<&str>) -> Result<(), Error> {
        let mut content = json!({
            "original_path": self.bucket.uri_of(&self.original(name)),
            "status": status,
            "timestamp": audit_time(Utc::now()),
            "run_id": self.run_id,
        });
        if let Some(error) = error {
            content["error_message"] = error.into();
        }
        let key = format!("{}/{}", self.key(status), side_file(kept));
        self.bucket.put(&key, content.to_string()).await
    }
}

#[cfg(test)]
mod tests;
