//! The gold systems end to end, on `file://` in a folder of their own, and whole pipelines on `s3://` ([`s3`]).
#![allow(clippy::unwrap_used)]

#[path = "../bomb/mod.rs"]
mod bomb;
mod delta;
mod ecommerce;
mod enrichment;
mod fact_sales;
#[path = "../moto/mod.rs"]
mod moto;
mod s3;
mod star_schema;
mod support;
