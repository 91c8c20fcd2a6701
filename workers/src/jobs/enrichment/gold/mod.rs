//! Gold: spend per user, usage per product and flagged transactions of whole days, recomputed from silver at one version.
//!
//! [`compute`] makes the rows of some dates and judges them, [`tables`] puts them in place of what the tables had for these
//! dates. Both the stream's batches and the job `enrichment-gold` are these two steps.
//!
//! Source: pipelines.md 4.3, 4.4, 4.6.

mod checks;
mod compute;
mod job;
mod quality;
mod source;
mod tables;

pub use compute::{Counts, Gold, compute};
pub use job::GOLD;
pub use quality::QualityRow;
pub use source::Scope;
pub use tables::Tables;
