//! The product as its users meet it: the real program as processes of its own, spoken to over its sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside what clippy.toml takes for one")]

mod clients;
mod crash;
mod ecommerce;
mod enrichment;
mod glue;
mod jobs;
mod pages;
mod pipeline;
mod sales;
#[cfg(feature = "spark")]
mod spark;
mod star_schema;
mod support;
mod validate;
