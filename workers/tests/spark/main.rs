//! Jobs whose SQL runs on Spark Connect, beside the same jobs on this machine: the same tables, row by row and type by type;
//! and what becomes of failures and of stops.
//!
//! The server is Sail, or the one that `STEPWELL_TEST_SPARK_REMOTE` names: `make spark` runs all of this against Apache Spark.
#![allow(clippy::unwrap_used)]

mod dialect;
mod ecommerce;
mod fact_sales;
mod failure;
mod stop;

#[path = "../../../tests/support/spark_server.rs"]
mod spark_server;
#[path = "../gold/support.rs"]
mod support;

use serde_json::{Map, Value};
use workers::job::{JobContext, JobResult, run_job_on, run_job_on_spark};
use workers::lake::Lake;
use workers::query::{Column, Query};

use spark_server::SparkServer;
use support::{World, development_data, expect};

/// A table: its columns, and its rows in an order that says all.
#[derive(Debug, PartialEq)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Map<String, Value>>,
}

/// Where a job's SQL runs.
type Engine<'a> = Option<&'a SparkServer>;

/// Runs a job with exactly these arguments.
async fn run(lake: &Lake, engine: Engine<'_>, job: &str, arguments: &[&str]) -> JobResult {
    let line: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    match engine {
        Some(spark) => run_job_on_spark(lake.clone(), &spark.remote, job, &line).await,
        None => run_job_on(lake.clone(), job, &line).await,
    }
}

/// A SQL session outside of any job.
fn query(lake: &Lake, engine: Engine<'_>) -> Query {
    let context = JobContext::detached(lake.clone(), "test");
    Query::new(&match engine {
        Some(spark) => context.on_spark(&spark.remote),
        None => context,
    })
    .unwrap()
}
