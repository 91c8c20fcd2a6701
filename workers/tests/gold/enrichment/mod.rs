//! enrichment_gold: silver, gold, the stream and its checkpoint, maintenance. Source: pipelines.md 4, 6.2, 6.3.

mod crash;
mod edge;
mod figures;
mod maintenance;
mod order;
mod processes;
mod proportion;
mod readers;
mod stream;
mod world;
