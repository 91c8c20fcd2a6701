//! The AWS services the orchestrator calls, behind small traits.
//!
//! A crate of its own, because the SDK's clients are heavy to build and nothing else needs them. Region, credentials and
//! endpoints come from the SDK's standard chain (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`,
//! `AWS_ENDPOINT_URL_SNS`, ...). Whether AWS is to be called at all is the caller's decision: credentials that happen to
//! lie about are not a wish to send alerts.

mod cloudwatch;
mod config;
mod error;
mod glue;
mod sns;

pub use cloudwatch::{CloudWatch, Datum, Metrics, Unit};
pub use config::{Config, Settings};
pub use error::Error;
pub use glue::{Crawler, Glue, GlueJobs, JobRun, LastCrawl, StartJobRun};
pub use sns::{Notifications, Publish, Receipt, Sns};
