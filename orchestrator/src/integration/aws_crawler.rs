//! Crawlers that AWS Glue has: the calls are passed on.

use asl::Failure;
use serde_json::json;
use uuid::Uuid;

use super::call::{Call, Outcome};
use super::glue_run;

/// `startCrawler`: `{}`.
pub(super) async fn start(call: &Call, name: &str) -> Outcome {
    let Some(glue) = call.services().glue.clone() else { return Outcome::Failed(no_client()) };
    match glue.start_crawler(name).await {
        Ok(()) => Outcome::Done(json!({})),
        Err(error) => Outcome::Failed(glue_run::failure(&error, "Glue", &request_id(call))),
    }
}

/// `getCrawler`: `{"Crawler": {...}}`.
pub(super) async fn get(call: &Call, name: &str) -> Outcome {
    let Some(glue) = call.services().glue.clone() else { return Outcome::Failed(no_client()) };
    match glue.crawler(name).await {
        Ok(crawler) => Outcome::Done(glue_run::described_crawler(&crawler)),
        Err(error) => Outcome::Failed(glue_run::failure(&error, "Glue", &request_id(call))),
    }
}

fn request_id(call: &Call) -> String {
    Uuid::new_v5(&call.task().execution, &call.task().task.0.to_be_bytes()).to_string()
}

fn no_client() -> Failure {
    Failure::new(
        "Glue.SdkClientException",
        "The crawler is bound to AWS Glue, and this node has no client for it: start every node with the same settings.",
    )
}
