//! Real servers and workers for tests: started, spoken to, killed, and never left behind.

mod client;
mod process;

pub use client::{Client, until};
pub use process::{Process, serve, worker};
