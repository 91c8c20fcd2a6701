//! Glue crawlers, of workers and of AWS: a local crawler named `X` is a worker's job of that name. Source: asl.md 4.4.
//!
//! A crawl is an execution of a machine of the server's own, so that it is durable, leased and logged like any other;
//! the crawler's state and its last crawl are read from that execution. The tables it finds go into the local catalog
//! in the commit of its end.

use asl::Failure;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::aws_crawler;
use super::call::{Call, Outcome};
use super::catalog::registered_tables;
use crate::engine::{Ending, Engine, Place, StartError, StartRequest};
use crate::store::{self, CrawlTable, ExecutionFilter, ExecutionRecord, ExecutionStatus, Page, StateMachineRecord};

/// The machine that crawls.
const MACHINE: &str = "stepwell-crawler";
/// One task: the crawler's job. A function call hands its whole result on, which a job run does not.
const DEFINITION: &str = r#"{
  "Comment": "A crawl of the local catalog; started by aws-sdk:glue:startCrawler.",
  "StartAt": "Crawl",
  "States": {
    "Crawl": {
      "Type": "Task",
      "Resource": "arn:aws:states:::lambda:invoke",
      "Parameters": { "FunctionName.$": "$.name", "Payload.$": "$.arguments" },
      "OutputPath": "$.Payload",
      "TimeoutSeconds": 3600,
      "End": true
    }
  }
}"#;
/// Crawls that are looked through for the last one of a crawler.
const CRAWLS_MAX: u32 = 100;

/// `startCrawler`: `{Name}` → `{}`.
pub(super) async fn start(call: &mut Call) -> Outcome {
    let name = match name(call) {
        Ok(name) => name,
        Err(failure) => return Outcome::Failed(failure),
    };
    let engine = call.engine();
    match engine.place_of_glue(&name).await {
        Ok(Place::Worker(_)) => {}
        Ok(Place::Glue) => return aws_crawler::start(call, &name).await,
        Ok(Place::Nowhere) => return Outcome::Failed(no_crawler(&name)),
        Err(error) => return error.into(),
    }
    match begin(engine, &name).await {
        Ok(None) => Outcome::Done(json!({})),
        Ok(Some(failure)) => Outcome::Failed(failure),
        Err(outcome) => outcome,
    }
}

/// `getCrawler`: `{Name}` → `{"Crawler": {Name, State, LastCrawl?, ...}}`.
pub(super) async fn get(call: &mut Call) -> Outcome {
    let name = match name(call) {
        Ok(name) => name,
        Err(failure) => return Outcome::Failed(failure),
    };
    let engine = call.engine();
    match engine.place_of_glue(&name).await {
        Ok(Place::Worker(_)) => {}
        Ok(Place::Glue) => return aws_crawler::get(call, &name).await,
        Ok(Place::Nowhere) => return Outcome::Failed(no_crawler(&name)),
        Err(error) => return error.into(),
    }
    let (running, last) = match crawls(engine, &name).await {
        Ok(crawls) => crawls,
        Err(error) => return error.into(),
    };
    let elapsed = running.as_ref().map_or(0, |crawl| engine.now().millis() - crawl.started_at.millis());
    let mut crawler = json!({
        "Name": name,
        "State": if running.is_some() { "RUNNING" } else { "READY" },
        "CrawlElapsedTime": elapsed.max(0),
        "Version": 1,
    });
    if let Some(last) = last {
        crawler["LastCrawl"] = last_crawl(&last);
    }
    Outcome::Done(json!({ "Crawler": crawler }))
}

fn name(call: &Call) -> Result<String, Failure> {
    let input = call.input();
    let name = input["Name"].as_str().filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| {
        Failure::new("Glue.InvalidInputException", "Name must be given (Service: Glue, Status Code: 400)")
    })
}

/// Starts a crawl; the failure if it runs.
async fn begin(engine: &Engine, name: &str) -> Result<Option<Failure>, Outcome> {
    let machine = ensure_machine(engine).await?;
    let (running, last) = crawls(engine, name).await?;
    let runs = || {
        let cause = format!("Crawler with name {name} has already started (Service: Glue, Status Code: 400)");
        Ok(Some(Failure::new("Glue.CrawlerRunningException", cause)))
    };
    if running.is_some() {
        return runs();
    }
    let input = json!({ "name": name, "arguments": {} });
    // Two nodes that start a crawl at once choose the same name: only one of them starts it.
    let after = last.map_or_else(|| "none".to_owned(), |crawl| crawl.arn);
    let request = StartRequest {
        id: None,
        state_machine_arn: machine,
        name: Some(format!("crawl-{}", &hex::encode(Sha256::digest(format!("{name} after {after}")))[..24])),
        input: input.to_string(),
        input_value: input,
        trace_header: None,
        trigger: "system".to_owned(),
        exclusive: false,
    };
    match engine.start(request).await {
        Ok(started) if started.fresh => Ok(None),
        Ok(_) | Err(StartError::AlreadyExists(_)) => runs(),
        Err(StartError::Fault(fault)) => Err(fault.into()),
        Err(error) => Err(error.into()),
    }
}

fn no_crawler(name: &str) -> Failure {
    Failure::new(
        "Glue.EntityNotFoundException",
        format!(
            "Crawler with name {name} does not exist: no worker serves a job of this name, and AWS Glue is not configured. \
             Start a worker that has it (`stepwell worker`). (Service: Glue, Status Code: 400)"
        ),
    )
}

/// The crawl that runs, and the last one that ended.
async fn crawls(engine: &Engine, name: &str) -> store::Result<(Option<ExecutionRecord>, Option<ExecutionRecord>)> {
    let filter = ExecutionFilter { state_machine_arn: Some(machine_arn(engine)), ..ExecutionFilter::default() };
    let page = Page { token: None, limit: CRAWLS_MAX };
    let newest = engine.store().list_executions(&filter, &page).await?.items;
    let named = |record: &ExecutionRecord| {
        serde_json::from_str::<Value>(&record.input).is_ok_and(|input| input["name"].as_str() == Some(name))
    };
    let (running, ended): (Vec<_>, Vec<_>) =
        newest.into_iter().filter(named).partition(|record| record.status == ExecutionStatus::Running);
    Ok((running.into_iter().next(), ended.into_iter().next()))
}

fn last_crawl(record: &ExecutionRecord) -> Value {
    let status = match record.status {
        ExecutionStatus::Succeeded => "SUCCEEDED",
        ExecutionStatus::Aborted => "CANCELLED",
        _ => "FAILED",
    };
    let mut last = json!({
        "Status": status,
        "StartTime": record.started_at.to_string(),
        "LogGroup": "/aws-glue/crawlers",
        "LogStream": record.arn,
        "MessagePrefix": record.name,
    });
    if status != "SUCCEEDED" {
        let error = record.error.as_deref().unwrap_or("the crawl failed");
        last["ErrorMessage"] = json!(match &record.cause {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_owned(),
        });
    }
    last
}

fn machine_arn(engine: &Engine) -> String {
    format!("arn:aws:states:{}:{}:stateMachine:{MACHINE}", engine.config().region, engine.config().account)
}

/// Creates the machine, or brings it to this version's definition.
async fn ensure_machine(engine: &Engine) -> store::Result<String> {
    let arn = machine_arn(engine);
    let store = engine.store();
    let now = engine.now();
    match store.state_machine(&arn).await? {
        Some(machine) if machine.revision.definition == DEFINITION => {}
        Some(mut machine) => {
            machine.revision.id = Uuid::new_v4();
            machine.revision.number += 1;
            machine.revision.definition = DEFINITION.to_owned();
            machine.revision.created_at = now;
            store.update_state_machine(&machine).await?;
            engine.forget_machine(&arn);
        }
        None => {
            let machine = StateMachineRecord::plain(&arn, MACHINE, DEFINITION, &engine.config().account, now);
            let created = store.create_state_machine(&machine).await;
            if !matches!(created, Err(store::Error::Exists(_))) {
                created?;
            }
        }
    }
    Ok(arn)
}

/// The tables that a crawl found, if `ending` is one that succeeded.
pub(crate) fn crawled_tables(ending: &Ending<'_>) -> Vec<CrawlTable> {
    let crawl = ending.record.state_machine_arn.rsplit(':').next() == Some(MACHINE);
    if !crawl || ending.end.status != ExecutionStatus::Succeeded {
        return Vec::new();
    }
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let crawler = parse(&ending.record.input)["name"].as_str().unwrap_or_default().to_owned();
    let output = parse(ending.end.output.as_deref().unwrap_or_default());
    match registered_tables(&output, &crawler, ending.end.stopped_at) {
        Ok(tables) => tables,
        Err(error) => {
            tracing::error!(
                execution.arn = ending.record.arn,
                error = &error as &dyn std::error::Error,
                "The result of a crawl holds no `metrics.tables` that can be read; the catalog stays as it was"
            );
            Vec::new()
        }
    }
}
