//! The daily-prices jobs end to end, on `file://` in a folder of their own and on `s3://`.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod bad_input;
#[path = "../bomb/mod.rs"]
mod bomb;
mod compaction;
mod crash;
mod memory;
#[path = "../moto/mod.rs"]
mod moto;
mod s3;
mod support;
mod transform;
