//! The pipelines this node knows.
//!
//! A copy of the store's table, so that the engine's hooks, which may not wait, can look a machine up. The folder keeps it
//! current on the node that applies one; other nodes read the table again every few seconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::Sheet;
use crate::store::{self, PipelineRecord, Store};

/// A pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Its machine.
    pub state_machine_arn: String,
    /// Its sheet.
    pub sheet: Sheet,
    /// What is odd about the sheet or the machine.
    pub warnings: Vec<String>,
}

/// Something of the folder that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The pipeline's name, by the file's.
    pub name: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// The pipelines by name, and the problems of the folder. Cheap to clone: clones share their content.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<RwLock<Content>>);

#[derive(Debug, Default)]
struct Content {
    pipelines: BTreeMap<String, Arc<Pipeline>>,
    problems: BTreeMap<String, String>,
}

impl Registry {
    /// All pipelines by name.
    pub fn all(&self) -> Vec<Arc<Pipeline>> {
        self.0.read().pipelines.values().cloned().collect()
    }

    /// The pipeline of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Pipeline>> {
        self.0.read().pipelines.get(name).cloned()
    }

    /// The pipeline whose machine this is.
    pub fn of_machine(&self, state_machine_arn: &str) -> Option<Arc<Pipeline>> {
        self.0.read().pipelines.values().find(|pipeline| pipeline.state_machine_arn == state_machine_arn).cloned()
    }

    /// What could not be applied.
    pub fn problems(&self) -> Vec<Problem> {
        let content = self.0.read();
        content
            .problems
            .iter()
            .map(|(name, message)| Problem { name: name.clone(), message: message.clone() })
            .collect()
    }

    /// Puts a pipeline in; its problem, if it had one, is over.
    pub fn put(&self, pipeline: Pipeline) {
        let mut content = self.0.write();
        content.problems.remove(&pipeline.name);
        content.pipelines.insert(pipeline.name.clone(), Arc::new(pipeline));
    }

    /// Notes that a pipeline of the folder could not be applied; what was applied of it before stays.
    pub fn note_problem(&self, name: &str, message: String) {
        self.0.write().problems.insert(name.to_owned(), message);
    }

    /// Forgets problems of files that are gone.
    pub fn keep_problems(&self, still_there: impl Fn(&str) -> bool) {
        self.0.write().problems.retain(|name, _| still_there(name));
    }

    /// Reads the store's table.
    pub async fn load(&self, store: &dyn Store) -> store::Result<()> {
        for record in store.pipelines().await? {
            self.take(record);
        }
        Ok(())
    }

    fn take(&self, record: PipelineRecord) {
        let PipelineRecord { name, state_machine_arn, sheet, .. } = record;
        match Sheet::parse(&format!("{name}.toml"), &sheet) {
            Ok((sheet, warnings)) => {
                let mut content = self.0.write();
                content.pipelines.insert(name.clone(), Arc::new(Pipeline { name, state_machine_arn, sheet, warnings }));
            }
            Err(error) => self.note_problem(&name, error.to_string()),
        }
    }
}
