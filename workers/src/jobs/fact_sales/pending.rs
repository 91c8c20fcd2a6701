//! Making the results of one file visible as a whole: an intent is written first, then everything it names is done, and
//! whoever comes later finishes what a crash left half done.
//!
//! The intents of an ingestion lie in `processed/_ingestion/intents/`, what they make visible is staged beside them;
//! both are hidden from readers of the zone. Keys are those below the folder that holds the zones. Doing an intent
//! twice, or by two processes at once, is the same as doing it once.

use serde::{Deserialize, Serialize};

use crate::lake::{Error, Folder};

/// The hidden folder of the processed zone.
const FOLDER: &str = "_ingestion";

/// One object to another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Move {
    pub from: String,
    pub to: String,
}

/// What is left to do for one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// The run that wrote it.
    pub run_id: String,
    /// The sales file.
    pub source_file: String,
    /// Staged results that become visible.
    pub publish: Vec<Move>,
    /// The file itself, to the archive.
    pub archive: Vec<Move>,
}

/// The intents of a processed zone.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// The folder that holds the zones.
    base: Folder,
    /// The processed zone's name in it.
    zone: String,
}

impl Pending {
    /// Those of `<base>/<zone>`.
    pub fn new(base: Folder, zone: &str) -> Pending {
        Pending { base, zone: zone.to_owned() }
    }

    /// The key below the base under which a run stages a file's results.
    pub fn staging(&self, run_id: &str, name: &str) -> String {
        format!("{}/{FOLDER}/staging/{run_id}/{name}", self.zone)
    }

    fn intents(&self) -> Folder {
        self.base.child(&self.zone).child(FOLDER).child("intents")
    }

    /// Declares an intent: from here on a crash loses nothing.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn declare(&self, id: &str, intent: &Intent) -> Result<(), Error> {
        let json = serde_json::to_vec(intent).expect("an intent has string keys only");
        self.intents().put(&format!("{id}.json"), json).await
    }

    async fn open(&self) -> Result<Vec<(String, Intent)>, Error> {
        let folder = self.intents();
        let mut open = Vec::new();
        for object in folder.objects().await? {
            // Gone meanwhile: the one who did it has removed it.
            let Some(bytes) = folder.get_optional(&object.name).await? else { continue };
            let intent = serde_json::from_slice(&bytes).map_err(|error| Error::Unreadable {
                uri: folder.uri_of(&object.name),
                format: "an intent",
                reason: error.to_string(),
            })?;
            open.push((object.name, intent));
        }
        Ok(open)
    }

    /// Makes visible what has been declared; the rest of the intents is left to the next ingestion. For readers of the
    /// zone, who hold no lock of it.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Unreadable`].
    pub async fn show(&self) -> Result<(), Error> {
        for (_, intent) in self.open().await? {
            self.carry_out(&intent.publish).await?;
        }
        Ok(())
    }

    /// Does everything that has been declared, and removes what earlier runs staged for nothing. The caller holds the
    /// lock.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Unreadable`].
    pub async fn settle(&self) -> Result<u64, Error> {
        let open = self.open().await?;
        for (name, intent) in &open {
            self.carry_out(&intent.publish).await?;
            self.carry_out(&intent.archive).await?;
            for done in intent.archive.iter().chain(&intent.publish) {
                self.base.delete(&done.from).await?;
            }
            self.intents().delete(name).await?;
        }
        let staging = self.base.child(&self.zone).child(FOLDER).child("staging");
        for left in staging.objects().await? {
            staging.delete(&left.name).await?;
        }
        Ok(open.len() as u64)
    }

    async fn carry_out(&self, moves: &[Move]) -> Result<(), Error> {
        for Move { from, to } in moves {
            let done = match self.base.copy(from, to).await {
                // Done by an earlier attempt, which then removed the source; or never staged, which no intent is.
                Err(Error::NotFound { .. }) => self.base.state(to).await?.is_some(),
                copied => copied.map(|()| true)?,
            };
            if !done {
                return Err(Error::NotFound { uri: self.base.uri_of(from) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{CrashPoint, Lake};

    #[tokio::test]
    async fn a_crash_at_any_step_of_an_intent_is_made_good_by_the_next_run() {
        let intent = || Intent {
            run_id: "r".to_owned(),
            source_file: "a.csv".to_owned(),
            publish: ["1", "2"]
                .map(|n| Move {
                    from: format!("processed/_ingestion/staging/r/{n}"),
                    to: format!("processed/date=2024-12-0{n}/a.parquet"),
                })
                .to_vec(),
            archive: vec![Move { from: "validated/a.csv".to_owned(), to: "archive/a.csv_1".to_owned() }],
        };
        for crash_at in 1.. {
            let place = tempfile::tempdir().unwrap();
            let lake = Lake::at(place.path().to_str().unwrap()).unwrap();
            let base = lake.folder("sales", "").unwrap();
            for n in ["processed/_ingestion/staging/r/1", "processed/_ingestion/staging/r/2", "validated/a.csv"] {
                base.put(n, "x").await.unwrap();
            }
            Pending::new(base.clone(), "processed").declare("a", &intent()).await.unwrap();
            let crashing = lake.with_crash_point(CrashPoint::fail_at(crash_at)).folder("sales", "").unwrap();
            let crashed = Pending::new(crashing, "processed").settle().await.is_err();
            let pending = Pending::new(base.clone(), "processed");
            pending.show().await.unwrap();
            let visible = base.child("processed").data_objects().await.unwrap();
            assert_eq!(visible.len(), 2, "crash at {crash_at}: {visible:?}");
            pending.settle().await.unwrap();
            let names: Vec<String> = base.objects().await.unwrap().into_iter().map(|object| object.name).collect();
            assert_eq!(
                names,
                ["archive/a.csv_1", "processed/date=2024-12-01/a.parquet", "processed/date=2024-12-02/a.parquet"],
                "crash at {crash_at}"
            );
            if !crashed {
                assert!(crash_at > 7, "every step was tried");
                break;
            }
        }
    }
}
