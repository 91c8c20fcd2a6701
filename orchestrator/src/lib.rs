//! The orchestrator: store, engine, integrations, pipelines, API and dashboard.
