//! Daily prices: preflight, compaction, guard, transform, indicators, crawler decision.
//!
//! Source: pipelines.md 1.

mod adjust;
mod aggregate;
pub mod columns;
mod compaction;
mod crawler;
mod curate;
mod day;
mod dedup;
mod guard;
mod indicators;
mod input;
mod layout;
mod manifest;
mod payload;
mod preflight;
mod quality;
mod run_result;
mod source_pair;
mod symbols;
mod transform;

pub(crate) use aggregate::AGGREGATE;
pub use compaction::COMPACTION;
pub(crate) use crawler::DECIDE_CRAWLER;
pub use day::{day_prefix, table_key};
pub(crate) use guard::GUARD;
pub(crate) use indicators::INDICATORS;
pub(crate) use preflight::PREFLIGHT;
pub use source_pair::{check_source_pair, record_source_pair};
pub use transform::TRANSFORM;
pub(crate) use transform::curate_sample_day;
