//! enrichment_gold: raw transactions and lookups → silver Delta → three gold Delta tables by `event_date`.
//!
//! | job | does |
//! |---|---|
//! | `enrichment-silver` | appends each raw file to silver, once |
//! | `enrichment-gold` | recomputes given or all dates, by hand |
//! | `enrichment-gold-stream` | follows silver commit by commit, with a checkpoint |
//! | `enrichment-maintenance` | OPTIMIZE with Z-order, then VACUUM |
//!
//! Source: pipelines.md 4.

mod bad_records;
mod columns;
mod gold;
mod maintenance;
mod settings;
mod silver;
mod stream;
mod summary;

pub use columns::{GOLD_TABLES, GoldTable, SILVER};
pub(crate) use gold::GOLD;
pub(crate) use maintenance::MAINTENANCE;
pub(crate) use silver::SILVER_JOB;
pub(crate) use stream::GOLD_STREAM;
pub(crate) use summary::SUMMARY;
