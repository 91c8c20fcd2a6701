//! Workers: the activity poller, job processes, the lake and the data jobs.
//!
//! A worker speaks the activity protocol and starts one process per job attempt; a job reads and writes the lake and
//! returns a result object. Nothing here sees the orchestrator's database or engine.

pub mod catalog;
mod child;
mod client;
mod completion;
mod config;
mod function;
mod heaps;
mod input;
pub mod job;
mod job_process;
pub mod jobs;
pub mod lake;
mod logs;
mod outcome;
mod poller;
pub mod query;
mod report;
mod served;
mod task;
mod tls;
mod trial;
mod usage;
mod worker;

pub use child::{LIFELINE_VARIABLE, end_with_worker};
pub use config::{Config, ConfigError, DEFAULT_ENDPOINT, Settings};
pub use job_process::{TASK_VARIABLE, main_job_process};
pub use tls::install_crypto_provider;
pub use worker::{Error, run, run_until, run_until_signalled};
pub mod sample;
