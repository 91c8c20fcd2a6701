//! Workers: the activity poller, job processes, the lake and the data jobs.
//!
//! A worker speaks the activity protocol and starts one process per job attempt; a job reads and writes the lake and
//! returns a result object. Nothing here sees the orchestrator's database or engine.

pub mod job;
pub mod jobs;
pub mod lake;
