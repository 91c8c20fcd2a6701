//! What the orchestrator performs itself.

mod glue_crawler;

pub(crate) use glue_crawler::crawled_tables;
