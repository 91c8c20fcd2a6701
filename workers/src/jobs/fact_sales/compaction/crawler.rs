//! The crawler after a run that wrote something.
//!
//! On S3 it is AWS Glue's, started here. On a local lake a crawl is an execution of the server, which a job never talks
//! to: the state machine starts it after the job, and the summary says so.

use aws_config::BehaviorVersion;
use aws_sdk_glue::error::DisplayErrorContext;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use serde_json::{Value as Json, json};

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
    let endpoints = ["AWS_ENDPOINT_URL_GLUE", "AWS_ENDPOINT_URL"].map(|name| std::env::var(name).unwrap_or_default());
    let plain = endpoints.iter().find(|url| !url.is_empty()).is_some_and(|url| url.starts_with("http://"));
    let http = aws_smithy_http_client::Builder::new();
    let http =
        if plain { http.build_http() } else { http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https() };
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    match aws_sdk_glue::Client::new(&config).start_crawler().name(name).send().await {
        Ok(_) => Crawl::Started,
        Err(error) if error.as_service_error().is_some_and(|refusal| refusal.is_crawler_running_exception()) => {
            Crawl::AlreadyRunning
        }
        Err(error) => Crawl::Failed(DisplayErrorContext(error).to_string()),
    }
}
