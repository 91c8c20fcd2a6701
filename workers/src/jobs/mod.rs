//! The data jobs, by system, and the lists of what a worker offers.

pub mod daily_prices;

use crate::job::{FunctionDefinition, JobDefinition};

/// All jobs of this binary.
pub(crate) const JOBS: &[JobDefinition] = &[daily_prices::COMPACTION, daily_prices::TRANSFORM];

/// All functions of this binary.
pub(crate) const FUNCTIONS: &[FunctionDefinition] = &[];
