//! Daily prices: preflight, compaction, guard, transform, indicators, crawler decision.
//!
//! Source: pipelines.md 1.

mod adjust;
pub mod columns;
mod compaction;
mod day;
mod dedup;
pub mod indicators;
mod manifest;
mod quality;
mod source_pair;
mod transform;

pub use compaction::COMPACTION;
pub use day::{day_prefix, table_key};
pub use source_pair::{check_source_pair, record_source_pair};
pub use transform::TRANSFORM;
