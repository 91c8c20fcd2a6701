//! Pipelines, the tables of the local catalog, and workers.

use asl::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A pipeline: a sheet beside a state machine.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineRecord {
    /// Its name.
    pub name: String,
    /// Its machine.
    pub state_machine_arn: String,
    /// The sheet's text (TOML).
    pub sheet: String,
    /// When it was put.
    pub updated_at: Timestamp,
}

/// A table of the local catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrawlTable {
    /// The database.
    pub database: String,
    /// The table.
    pub name: String,
    /// Where its data is.
    pub location: String,
    /// `[{"name","type"}]`, without the partition keys.
    pub columns: Value,
    /// `[{"name","type"}]`.
    pub partition_keys: Value,
    /// `[{"values":[...],"rows","bytes","files"}]`.
    pub partitions: Value,
    /// Who registered it: the crawler's or the job's name.
    pub crawler: String,
    /// When.
    pub updated_at: Timestamp,
}

/// A worker process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its name.
    pub name: String,
    /// What it said of itself: version, pid, host, slots, running, activities.
    pub about: Value,
    /// When it was seen last.
    pub seen_at: Timestamp,
}
