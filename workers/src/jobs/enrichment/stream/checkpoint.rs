//! Where the stream is: `metadata.json`, `offsets/<id>.json` written before a batch, `commits/<id>.json` after it.
//!
//! Source: pipelines.md 4.4, 2.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::gold::Scope;
use crate::job::{Code, JobError};
use crate::lake::Folder;

const METADATA: &str = "metadata.json";
const FORMAT: u32 = 1;
/// Batches whose records are kept; the tables' own history tells of older ones.
const RECORDS_KEPT: usize = 100;

/// Which stream this is the checkpoint of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Of this layout.
    pub format: u32,
    /// Of the stream.
    pub id: String,
    /// The silver table.
    pub silver_uri: String,
    /// The number of its first batch: above those the tables carry from a lost checkpoint.
    pub first_batch: i64,
    /// ISO-8601, UTC.
    pub created_at: String,
}

/// What a batch is to do: the silver commits `(silver_from, silver_to]` and what they touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offset {
    /// Its number.
    pub batch_id: i64,
    /// The last silver version of the batch before; -1 before the first.
    pub silver_from: i64,
    /// The silver version it computes from.
    pub silver_to: i64,
    /// Dates to recompute.
    pub dates: Vec<String>,
    /// Whether rows without a date were touched.
    pub undated: bool,
    /// ISO-8601, UTC.
    pub planned_at: String,
    /// The run that planned it.
    pub run_id: String,
}

impl Offset {
    /// What it is about.
    pub fn scope(&self) -> Scope {
        Scope { dates: self.dates.iter().cloned().collect(), undated: self.undated }
    }
}

/// That a batch is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Its number.
    pub batch_id: i64,
    /// The silver version the next one goes on from.
    pub silver_to: i64,
    /// `OK`, `EMPTY`, or `IDEMPOTENT_SKIP` when the tables had it already.
    pub code: String,
    /// ISO-8601, UTC.
    pub committed_at: String,
    /// The run that finished it.
    pub run_id: String,
}

/// The folder with all that.
#[derive(Debug)]
pub struct Checkpoint {
    folder: Folder,
    /// Batches with an offset or a commit, ascending, in this process's knowledge.
    offsets: Vec<i64>,
    commits: Vec<i64>,
    last: Option<Commit>,
    pending: Option<Offset>,
    metadata: Option<Metadata>,
}

impl Checkpoint {
    /// Reads it. A folder that does not exist is a stream that has not begun.
    ///
    /// # Errors
    /// `STORAGE_ERROR`; `SCHEMA_VALIDATION_FAILED` for records that are none.
    pub async fn open(folder: Folder) -> Result<Checkpoint, JobError> {
        let metadata: Option<Metadata> = read(&folder, METADATA).await?;
        if let Some(found) = metadata.as_ref().filter(|found| found.format != FORMAT) {
            let message =
                format!("`{}` has format {}, this program knows {FORMAT}", folder.uri_of(METADATA), found.format);
            return Err(JobError::new(Code::SchemaValidationFailed, message));
        }
        let (offsets, commits) = (numbers(&folder, "offsets").await?, numbers(&folder, "commits").await?);
        let last = match commits.last() {
            Some(id) => read(&folder, &name("commits", *id)).await?,
            None => None,
        };
        let pending = match offsets.last().filter(|id| commits.last().is_none_or(|done| done < *id)) {
            Some(id) => read(&folder, &name("offsets", *id)).await?,
            None => None,
        };
        Ok(Checkpoint { folder, offsets, commits, last, pending, metadata })
    }

    /// Begins the stream, unless it has begun.
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` if it is the checkpoint of another silver table; `STORAGE_ERROR`.
    pub async fn begin(&mut self, silver_uri: &str, first_batch: i64) -> Result<(), JobError> {
        if let Some(found) = &self.metadata {
            if found.silver_uri == silver_uri {
                return Ok(());
            }
            return Err(JobError::arguments(format!(
                "checkpoint `{}` is of silver `{}`, not `{silver_uri}`; give another --gold_check_point_path",
                self.folder.uri(),
                found.silver_uri
            )));
        }
        let metadata = Metadata {
            format: FORMAT,
            id: uuid::Uuid::new_v4().to_string(),
            silver_uri: silver_uri.to_owned(),
            first_batch,
            created_at: crate::lake::audit_time(chrono::Utc::now()),
        };
        put(&self.folder, METADATA, &metadata).await?;
        self.metadata = Some(metadata);
        Ok(())
    }

    /// Whether any batch is done.
    pub fn has_commits(&self) -> bool {
        self.last.is_some()
    }

    /// Whether the stream has begun.
    pub fn has_begun(&self) -> bool {
        self.metadata.is_some()
    }

    /// The silver version that is done; -1 before the first batch.
    pub fn position(&self) -> i64 {
        self.last.as_ref().map_or(-1, |commit| commit.silver_to)
    }

    /// The number of the next batch.
    pub fn next_batch(&self) -> i64 {
        let first = self.metadata.as_ref().map_or(0, |metadata| metadata.first_batch);
        self.commits.last().map_or(first, |last| last + 1)
    }

    /// A batch that was planned and not finished.
    pub fn pending(&self) -> Option<&Offset> {
        self.pending.as_ref()
    }

    /// Writes what a batch is to do.
    ///
    /// # Errors
    /// `STORAGE_ERROR`.
    pub async fn plan(&mut self, offset: &Offset) -> Result<(), JobError> {
        put(&self.folder, &name("offsets", offset.batch_id), offset).await?;
        self.offsets.push(offset.batch_id);
        self.pending = Some(offset.clone());
        Ok(())
    }

    /// Writes that a batch is done.
    ///
    /// # Errors
    /// `STORAGE_ERROR`.
    pub async fn commit(&mut self, commit: Commit) -> Result<(), JobError> {
        put(&self.folder, &name("commits", commit.batch_id), &commit).await?;
        self.commits.push(commit.batch_id);
        self.last = Some(commit);
        self.pending = None;
        for (kind, known) in [("offsets", &mut self.offsets), ("commits", &mut self.commits)] {
            let many = known.len().saturating_sub(RECORDS_KEPT);
            for id in known.drain(..many) {
                self.folder.delete(&name(kind, id)).await?;
            }
        }
        Ok(())
    }
}

fn name(kind: &str, batch: i64) -> String {
    format!("{kind}/{batch}.json")
}

/// The batches with a record of a kind, ascending.
async fn numbers(folder: &Folder, kind: &str) -> Result<Vec<i64>, JobError> {
    let objects = folder.child(kind).objects().await?;
    let number = |name: &str| name.strip_suffix(".json")?.parse().ok();
    let mut numbers: Vec<i64> = objects.iter().filter_map(|object| number(&object.name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

async fn read<T: DeserializeOwned>(folder: &Folder, name: &str) -> Result<Option<T>, JobError> {
    let Some(bytes) = folder.get_optional(name).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let uri = folder.uri_of(name);
        let message = format!(
            "`{uri}` is no record of a checkpoint: {error}; restore it, or delete the whole checkpoint, and all dates are \
             computed again"
        );
        JobError::new(Code::SchemaValidationFailed, message)
    })
}

async fn put<T: Serialize>(folder: &Folder, name: &str, record: &T) -> Result<(), JobError> {
    let text = serde_json::to_string(record).expect("a record has string keys only");
    Ok(folder.put(name, format!("{text}\n")).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Lake;

    fn offset(batch_id: i64) -> Offset {
        let text = String::new;
        Offset {
            batch_id,
            silver_from: batch_id,
            silver_to: batch_id + 1,
            dates: vec!["2025-06-11".to_owned()],
            undated: false,
            planned_at: text(),
            run_id: text(),
        }
    }

    fn commit(batch_id: i64) -> Commit {
        let (code, at) = ("OK".to_owned(), String::new());
        Commit { batch_id, silver_to: batch_id + 1, code, committed_at: at.clone(), run_id: at }
    }

    #[tokio::test]
    async fn a_planned_batch_is_pending_until_its_commit() {
        let place = tempfile::tempdir().unwrap();
        let folder = Lake::at(place.path().to_str().unwrap()).unwrap().folder("b", "checkpoints/gold").unwrap();
        let mut checkpoint = Checkpoint::open(folder.clone()).await.unwrap();
        assert_eq!((checkpoint.position(), checkpoint.next_batch(), checkpoint.has_begun()), (-1, 0, false));
        checkpoint.begin("file:///silver", 3).await.unwrap();
        assert_eq!(checkpoint.next_batch(), 3, "above the batches the tables carry");
        checkpoint.plan(&offset(3)).await.unwrap();
        let reopened = Checkpoint::open(folder.clone()).await.unwrap();
        assert_eq!(reopened.pending(), Some(&offset(3)));
        assert_eq!((reopened.position(), reopened.next_batch()), (-1, 3));
        checkpoint.commit(commit(3)).await.unwrap();
        let mut reopened = Checkpoint::open(folder.clone()).await.unwrap();
        assert_eq!((reopened.pending(), reopened.position(), reopened.next_batch()), (None, 4, 4));
        let refused = reopened.begin("file:///other", 0).await.unwrap_err();
        assert!(refused.message.contains("file:///other"), "{refused}");
        folder.put("commits/9.json", "{}").await.unwrap();
        let broken = Checkpoint::open(folder).await.unwrap_err();
        assert_eq!(broken.code, Code::SchemaValidationFailed);
        assert!(broken.message.contains("commits/9.json") && broken.message.contains("restore it"), "{broken}");
    }

    #[tokio::test]
    async fn records_of_old_batches_go() {
        let place = tempfile::tempdir().unwrap();
        let folder = Lake::at(place.path().to_str().unwrap()).unwrap().folder("b", "c").unwrap();
        let mut checkpoint = Checkpoint::open(folder.clone()).await.unwrap();
        checkpoint.begin("s", 0).await.unwrap();
        for batch in 0..105 {
            checkpoint.plan(&offset(batch)).await.unwrap();
            checkpoint.commit(commit(batch)).await.unwrap();
        }
        assert_eq!(folder.objects().await.unwrap().len(), 1 + 2 * RECORDS_KEPT);
        let reopened = Checkpoint::open(folder).await.unwrap();
        assert_eq!((reopened.next_batch(), reopened.position()), (105, 105));
    }
}
