//! The data jobs, by system, and the lists of what a worker offers.

pub mod catalog;
pub mod daily_prices;

use crate::job::{FunctionDefinition, JobDefinition};

/// All jobs of this binary.
pub(crate) const JOBS: &[JobDefinition] =
    &[daily_prices::COMPACTION, daily_prices::TRANSFORM, daily_prices::INDICATORS, catalog::CRAWLER];

/// All functions of this binary.
pub(crate) const FUNCTIONS: &[FunctionDefinition] =
    &[daily_prices::PREFLIGHT, daily_prices::GUARD, daily_prices::DECIDE_CRAWLER, daily_prices::AGGREGATE];
