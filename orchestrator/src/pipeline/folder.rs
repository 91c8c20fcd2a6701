//! Applies a folder of `<name>.asl.json` and `<name>.toml`, at start and whenever a file changes.
//!
//! What counts is the content: a file that was only touched changes nothing, a machine whose text changed gets a new
//! revision, and executions that run stay on theirs. A file that cannot be applied is reported and leaves what was applied
//! before in force. Pipelines whose files went away stay too: deleting is never a side effect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use asl::StateMachine;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Pipeline, Registry, Sheet};
use crate::engine::Engine;
use crate::store::{self, Hint, PipelineRecord, StateMachineRecord, StateMachineStatus};

/// How often the folder is looked at: soon enough for somebody who edits, and nothing to a disk.
const LOOK: Duration = Duration::from_secs(2);
/// How often a machine is put; each time another node was faster.
const PUT_ATTEMPTS_MAX: u32 = 10;
/// What a definition's file is named.
const DEFINITION: &str = ".asl.json";
/// Larger files are no definitions and no sheets. Source: `CreateStateMachine`, parameter `definition`.
const FILE_BYTES_MAX: u64 = 1_048_576;

/// A folder of pipelines.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    engine: Engine,
    registry: Registry,
    environment: String,
    /// What was looked at last, by pipeline: the hash of its two files.
    seen: BTreeMap<String, String>,
}

/// Why the folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the folder of state machines `{path}`; create it or give another one")]
pub struct FolderError {
    path: String,
    #[source]
    source: std::io::Error,
}

/// Why one pipeline was not applied.
#[derive(Debug, thiserror::Error)]
enum ApplyError {
    #[error("`{0}` is larger than {FILE_BYTES_MAX} bytes; a definition may not be")]
    TooLarge(String),
    #[error("`{0}` cannot be read")]
    Read(String, #[source] std::io::Error),
    #[error("`{file}` is no valid state machine: {findings}")]
    Definition { file: String, findings: String },
    #[error(transparent)]
    Sheet(#[from] super::SheetError),
    #[error("state machine `{0}` is being deleted; wait until its executions have ended, or rename the file")]
    Deleting(String),
    #[error("the store failed")]
    Store(#[from] store::Error),
}

impl Folder {
    /// The folder at `path`; nothing is read yet.
    ///
    /// What the sheets bind to workers is bound in `environment`.
    pub fn new(path: impl AsRef<Path>, engine: Engine, registry: Registry, environment: &str) -> Self {
        let environment = environment.to_owned();
        Self { path: path.as_ref().to_owned(), engine, registry, environment, seen: BTreeMap::new() }
    }

    /// Applies what changed since the last look; how many pipelines that were.
    pub async fn apply(&mut self) -> Result<usize, FolderError> {
        let names = self.names().map_err(|source| FolderError { path: self.path.display().to_string(), source })?;
        self.registry.keep_problems(|name| names.contains(name));
        self.seen.retain(|name, _| names.contains(name));
        let mut applied = 0;
        for name in &names {
            let (definition, sheet) = match self.read(name) {
                Ok(files) => files,
                Err(error) => {
                    self.note(name, &error);
                    continue;
                }
            };
            let hash = hash(&definition, &sheet);
            if self.seen.get(name) == Some(&hash) {
                continue;
            }
            match self.apply_one(name, &definition, &sheet).await {
                Ok(()) => {
                    applied += 1;
                    self.seen.insert(name.clone(), hash);
                }
                // The store may be back at the next look; bad files are looked at again when they change.
                Err(error @ ApplyError::Store(_)) => self.note(name, &error),
                Err(error) => {
                    self.note(name, &error);
                    self.seen.insert(name.clone(), hash);
                }
            }
        }
        Ok(applied)
    }

    /// Applies the folder again and again, until the engine shuts down.
    pub async fn watch(mut self) {
        let mut readable = true;
        loop {
            match self.apply().await {
                Ok(_) => readable = true,
                Err(error) if readable => {
                    readable = false;
                    tracing::warn!(error = &error as &dyn std::error::Error, "The folder of pipelines cannot be read");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.engine.shutdown().cancelled() => return,
            }
        }
    }

    fn names(&self) -> std::io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&self.path)? {
            let file = entry?.file_name();
            if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(DEFINITION))
                && !name.starts_with('.')
            {
                names.insert(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The definition's text and, if there is one, the sheet's.
    fn read(&self, name: &str) -> Result<(String, Option<String>), ApplyError> {
        let text = |file: String| -> Result<Option<String>, ApplyError> {
            let path = self.path.join(&file);
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.len() > FILE_BYTES_MAX => Err(ApplyError::TooLarge(file)),
                Ok(_) => std::fs::read_to_string(&path).map(Some).map_err(|error| ApplyError::Read(file, error)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(ApplyError::Read(file, error)),
            }
        };
        let file = format!("{name}{DEFINITION}");
        let gone = || ApplyError::Read(file.clone(), std::io::ErrorKind::NotFound.into());
        Ok((text(file.clone())?.ok_or_else(gone)?, text(format!("{name}.toml"))?))
    }

    async fn apply_one(&self, name: &str, definition: &str, sheet: &Option<String>) -> Result<(), ApplyError> {
        let file = format!("{name}{DEFINITION}");
        let machine = StateMachine::parse(definition, false).map_err(|findings| ApplyError::Definition {
            file: file.clone(),
            findings: findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        })?;
        let parsed = sheet.as_ref().map(|sheet| Sheet::parse(&format!("{name}.toml"), sheet)).transpose()?;
        let arn = self.put_machine(name, definition).await?;
        let (Some((parsed, mut warnings)), Some(text)) = (parsed, sheet) else {
            tracing::info!(state_machine.arn = %arn, "Applied state machine `{name}`, which has no sheet");
            return Ok(());
        };
        warnings.extend(parsed.warnings(&machine, definition));
        for warning in &warnings {
            tracing::warn!(pipeline = name, "{warning}");
        }
        let record = PipelineRecord {
            name: name.to_owned(),
            state_machine_arn: arn.clone(),
            sheet: text.clone(),
            updated_at: self.engine.now(),
        };
        self.engine.store().put_pipeline(&record).await?;
        self.engine.bind(name, parsed.bindings.of(&self.environment));
        self.registry.put(Pipeline { name: name.to_owned(), state_machine_arn: arn.clone(), sheet: parsed, warnings });
        self.engine.announce(Hint::Page);
        tracing::info!(state_machine.arn = %arn, "Applied pipeline `{name}`");
        Ok(())
    }

    /// Creates the machine, or gives it a revision if its text differs.
    async fn put_machine(&self, name: &str, definition: &str) -> Result<String, ApplyError> {
        let (store, config) = (self.engine.store(), self.engine.config());
        let arn = format!("arn:aws:states:{}:{}:stateMachine:{name}", config.region, config.account);
        // More than once: another node may create or update it at this moment.
        for _ in 0..PUT_ATTEMPTS_MAX {
            let Some(mut machine) = store.state_machine(&arn).await? else {
                let account = &self.engine.config().account;
                let machine = StateMachineRecord::plain(&arn, name, definition, account, self.engine.now());
                let created = store.create_state_machine(&machine).await;
                match created {
                    Err(store::Error::Exists(_)) => continue,
                    other => other?,
                }
                return Ok(arn);
            };
            if machine.status == StateMachineStatus::Deleting {
                return Err(ApplyError::Deleting(arn));
            }
            if machine.revision.definition != definition {
                let revision = &mut machine.revision;
                revision.id = Uuid::new_v4();
                revision.number += 1;
                revision.definition = definition.to_owned();
                revision.created_at = self.engine.now();
                match store.update_state_machine(&machine).await {
                    Err(store::Error::Superseded(_)) => continue,
                    other => other?,
                }
                self.engine.forget_machine(&arn);
            }
            return Ok(arn);
        }
        Err(ApplyError::Deleting(arn))
    }

    fn note(&self, name: &str, error: &ApplyError) {
        let message = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let known = self.registry.problems().iter().any(|problem| problem.name == name && problem.message == message);
        if !known {
            tracing::error!(pipeline = name, "Pipeline `{name}` is not applied: {message}");
            self.registry.note_problem(name, message);
            self.engine.announce(Hint::Page);
        }
    }
}

fn hash(definition: &str, sheet: &Option<String>) -> String {
    let mut hash = Sha256::new();
    hash.update(definition);
    hash.update([0]);
    hash.update(sheet.as_deref().unwrap_or_default());
    hex::encode(hash.finalize())
}
