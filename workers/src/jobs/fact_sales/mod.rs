//! Sales files to gold: raw CSV files are judged row by row and filed by date (ingestion), and each date becomes one
//! deduplicated gold partition (compaction).
//!
//! Source: pipelines.md 2.

mod columns;
mod compaction;
mod ingestion;
mod outcome;
mod pending;

pub(crate) use compaction::COMPACTION;
pub(crate) use ingestion::INGESTION;
pub(crate) use outcome::OUTCOME;
