//! The worker against a fake service over real HTTP, with real processes as jobs.

mod functions;
mod jobs;
mod lifetime;
mod support;
