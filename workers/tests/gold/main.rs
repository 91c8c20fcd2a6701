//! The gold systems end to end, on `file://` in a folder of their own, or on the S3 server that
//! `STEPWELL_TEST_S3=http://127.0.0.1:<port>` names.
#![allow(clippy::unwrap_used)]

mod delta;
mod ecommerce;
mod enrichment;
mod fact_sales;
mod star_schema;
mod support;
