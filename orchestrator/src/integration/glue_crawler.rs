//! Glue crawlers without Glue: the crawler named `X` is a worker's job of that name.
//!
//! A crawl is an execution of a machine of the server's own, so that it is durable, leased and logged like any other;
//! the crawler's state and its last crawl are read from that execution. The tables it finds go into the local catalog
//! in the commit of its end.

use serde::Deserialize;

use crate::engine::Ending;
use crate::store::{CrawlTable, ExecutionStatus};

/// The machine that crawls: one Task on the crawler's activity.
pub(crate) const MACHINE: &str = "stepwell-crawler";

/// The output of the crawl job.
#[derive(Deserialize)]
struct Crawled {
    tables: Vec<CrawlTable>,
}

/// The tables that a crawl found, if `ending` is one that succeeded.
pub(crate) fn crawled_tables(ending: &Ending<'_>) -> Vec<CrawlTable> {
    let crawl = ending.record.state_machine_arn.rsplit(':').next() == Some(MACHINE);
    if !crawl || ending.end.status != ExecutionStatus::Succeeded {
        return Vec::new();
    }
    let output = ending.end.output.as_deref().unwrap_or_default();
    match serde_json::from_str::<Crawled>(output) {
        Ok(crawled) => crawled.tables,
        Err(error) => {
            tracing::error!(
                execution.arn = ending.record.arn,
                error = &error as &dyn std::error::Error,
                "The output of a crawl is not `{{\"tables\": [...]}}`; the catalog stays as it was"
            );
            Vec::new()
        }
    }
}
