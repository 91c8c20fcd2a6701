//! Daily prices: preflight, compaction, guard, transform, indicators, crawler decision.

pub mod indicators;
