//! What the server tells of itself.

pub mod log;
pub mod metrics;
