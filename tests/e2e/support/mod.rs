//! Real servers and workers for tests: started, spoken to, killed, and never left behind.

mod client;
mod process;
mod site;

pub use client::{Client, Refusal, until};
pub use process::{Process, STEPWELL, serve, serve_in, serve_with, worker, worker_with};
pub use site::{PIPELINE, Site, WAIT_MAX, development_data, root};
