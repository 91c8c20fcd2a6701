//! The orchestrator: store, engine, integrations, pipelines, API and dashboard.
//!
//! Dependencies point one way: `asl ◀ store ◀ engine ◀ integration, pipeline ◀ api, dashboard`.

pub mod alert;
pub mod api;
pub mod dashboard;
pub mod engine;
pub mod integration;
pub mod pipeline;
pub mod store;
pub mod telemetry;
