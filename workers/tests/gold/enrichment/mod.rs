//! enrichment_gold: silver, gold, the stream and its checkpoint, maintenance. Source: pipelines.md 4, 6.2, 6.3.

mod catalog;
mod crash;
mod edge;
mod figures;
mod maintenance;
mod order;
mod places;
mod processes;
mod proportion;
mod readers;
mod set_aside;
mod stream;
mod world;
