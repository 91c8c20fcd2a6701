//! The crawler after a run that wrote something.
//!
//! On S3 it is AWS Glue's, started here. On a local lake a crawl is an execution of the server, which a job never talks
//! to: the state machine starts it after the job, and the summary says so.

use aws_sdk_glue::Client;
use aws_sdk_glue::error::DisplayErrorContext;
use serde_json::{Value as Json, json};

use crate::catalog::glue_client;
use crate::lake::Folder;

/// What became of the crawler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Crawl {
    Started,
    /// It runs already: that crawl finds the new partitions, or the next one does.
    AlreadyRunning,
    /// Not this job's to start.
    LeftToStateMachine,
    Failed(String),
}

impl Crawl {
    /// As the summary has it.
    pub fn describe(&self, name: &str) -> Json {
        let status = match self {
            Crawl::Started => "STARTED",
            Crawl::AlreadyRunning => "ALREADY_RUNNING",
            Crawl::LeftToStateMachine => "LEFT_TO_STATE_MACHINE",
            Crawl::Failed(_) => "FAILED",
        };
        match self {
            Crawl::Failed(error) => json!({ "name": name, "status": status, "error": error }),
            _ => json!({ "name": name, "status": status }),
        }
    }
}

/// Starts the crawler `name` for a table.
pub(super) async fn start(name: &str, gold: &Folder) -> Crawl {
    if gold.local_path().is_some() {
        return Crawl::LeftToStateMachine;
    }
    start_with(&glue_client(None).await, name).await
}

async fn start_with(glue: &Client, name: &str) -> Crawl {
    match glue.start_crawler().name(name).send().await {
        Ok(_) => Crawl::Started,
        Err(error) if error.as_service_error().is_some_and(|refusal| refusal.is_crawler_running_exception()) => {
            Crawl::AlreadyRunning
        }
        Err(error) => Crawl::Failed(DisplayErrorContext(error).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::moto::Moto;

    #[tokio::test]
    async fn a_crawler_is_started_left_running_or_missed_by_name() {
        let moto = Moto::start();
        moto.ask(
            "
glue.create_crawler(Name='sales', Role='crawler', DatabaseName='dev_data_platform',
                    Targets={'S3Targets': [{'Path': 's3://dev-curated/gold/fact_sales/'}]})
print('null')",
        );
        let glue = glue_client(Some(&moto.url)).await;
        assert_eq!(start_with(&glue, "sales").await, Crawl::Started);
        let state = moto.ask("print(json.dumps(glue.get_crawler(Name='sales')['Crawler']['State']))");
        assert_eq!(state, "RUNNING");
        assert_eq!(start_with(&glue, "sales").await, Crawl::AlreadyRunning);
        let missed = start_with(&glue, "purchases").await;
        let Crawl::Failed(reason) = &missed else { panic!("{missed:?}") };
        assert!(reason.contains("EntityNotFoundException"), "{reason}");
        assert_eq!(missed.describe("purchases")["status"], "FAILED");
    }

    #[tokio::test]
    async fn a_glue_that_cannot_be_reached_is_a_failure_with_its_reason() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let glue = glue_client(Some(&format!("http://{closed}"))).await;
        let missed = start_with(&glue, "sales").await;
        assert!(matches!(&missed, Crawl::Failed(reason) if reason.contains("dispatch failure")), "{missed:?}");
    }
}
