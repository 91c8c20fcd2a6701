//! The overview: is all well, and if not, what first?

use askama::Template;
use asl::Timestamp;
use axum::extract::State;
use axum::response::Html;

use super::Dashboard;
use super::executions::ExecutionRow;
use super::facts::WORKER_GONE_SECONDS;
use super::mark::Mark;
use super::moment::Moment;
use super::page::{Chrome, cut, execution_path, html, pipeline_path};
use super::pipeline_row::{PipelineRow, STRIP_MAX};
use super::problem::Problem;
use super::runs::Run;
use super::why::{last_segment, serving};
use crate::store::{
    Delivery, ExecutionFilter, ExecutionRecord, ExecutionStatus, INTEGRATION_QUEUE, LedgerRow, OutboxMessage, Outcome,
    Page, PipelineRecord, WorkerRecord,
};

/// Failed things that are listed.
const ATTENTION_MAX: usize = 8;
/// Executions under "Lately".
const LATELY_MAX: u32 = 12;
/// A task that nobody serves may wait so long before the page says so.
const UNSERVED_SECONDS: i64 = 30;
/// Failures count for so long.
const FAILED_HOURS: i64 = 24;
/// How an execution fails, as the page counts it.
const FAILED: [ExecutionStatus; 2] = [ExecutionStatus::Failed, ExecutionStatus::TimedOut];
/// Letters of a failure's message.
const MESSAGE_CHARS_MAX: usize = 300;
/// Messages that are looked at.
const OUTBOX_MAX: u32 = 100;

/// What the overview is made of.
#[derive(Debug, Default)]
pub struct OverviewFacts {
    /// The store's clock.
    pub now: Timestamp,
    /// Pipelines with the newest rows of their ledgers, ascending.
    pub pipelines: Vec<(PipelineRecord, Vec<LedgerRow>)>,
    /// The newest executions.
    pub lately: Vec<ExecutionRecord>,
    /// (status, count), of ended ones only those of the last day.
    pub counts: Vec<(ExecutionStatus, u64)>,
    /// Executions that need attention, with how they failed.
    pub failed: Vec<(ExecutionRecord, Run)>,
    /// (queue, waiting, since).
    pub backlog: Vec<(String, u64, Timestamp)>,
    /// Workers that are alive.
    pub workers: Vec<WorkerRecord>,
    /// The newest messages.
    pub outbox: Vec<OutboxMessage>,
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "overview.html")]
pub struct Overview {
    chrome: Chrome,
    verdict: (Mark, String),
    tiles: Vec<Tile>,
    attention: Vec<Attention>,
    pipelines: Vec<PipelineRow>,
    lately: Vec<ExecutionRow>,
}

#[derive(Debug)]
struct Tile {
    label: String,
    value: String,
    detail: String,
    href: String,
    bad: bool,
}

#[derive(Debug)]
struct Attention {
    mark: Mark,
    name: String,
    partition: String,
    state: String,
    code: String,
    message: String,
    at: Moment,
    open: String,
    reprocess: Option<String>,
}

/// `GET /`.
pub async fn show(State(dashboard): State<Dashboard>) -> Result<Html<String>, Problem> {
    html(&Overview::new(gather(&dashboard).await?))
}

async fn gather(dashboard: &Dashboard) -> Result<OverviewFacts, Problem> {
    let store = &*dashboard.store;
    let now = store.now().await?;
    let mut pipelines = Vec::new();
    for pipeline in store.pipelines().await? {
        let ledger = store.ledger_newest(&pipeline.name, STRIP_MAX).await?;
        pipelines.push((pipeline, ledger));
    }
    let page = |limit| Page { token: None, limit };
    let mut failed = Vec::new();
    for record in bad_executions(dashboard, now, &pipelines).await? {
        let run = dashboard.runs.of(store, &record).await?;
        failed.push((record, (*run).clone()));
    }
    Ok(OverviewFacts {
        now,
        lately: store.list_executions(&ExecutionFilter::default(), &page(LATELY_MAX)).await?.items,
        counts: store.count_executions(now.plus_seconds(-FAILED_HOURS * 3600)).await?,
        failed,
        backlog: store.backlog().await?,
        workers: store.workers(now.plus_seconds(-WORKER_GONE_SECONDS)).await?,
        outbox: store.outbox(OUTBOX_MAX).await?,
        pipelines,
    })
}

/// Partitions that are failed now, and the last day's failures that belong to no pipeline; newest first.
async fn bad_executions(
    dashboard: &Dashboard,
    now: Timestamp,
    pipelines: &[(PipelineRecord, Vec<LedgerRow>)],
) -> Result<Vec<ExecutionRecord>, Problem> {
    let store = &*dashboard.store;
    let mut records: Vec<ExecutionRecord> = Vec::new();
    for row in pipelines.iter().flat_map(|(_, ledger)| ledger.iter().rev()).filter(|row| row.outcome == Outcome::Failed)
    {
        if records.len() >= ATTENTION_MAX {
            break;
        }
        if records.iter().all(|known| known.id != row.execution) {
            records.extend(store.execution_by_id(row.execution).await?);
        }
    }
    let filter = ExecutionFilter {
        statuses: FAILED.to_vec(),
        stopped_since: Some(now.plus_seconds(-FAILED_HOURS * 3600)),
        alone: true,
        ..ExecutionFilter::default()
    };
    let page = Page { token: None, limit: ATTENTION_MAX as u32 };
    records.extend(store.list_executions(&filter, &page).await?.items);
    records.sort_by_key(|record| std::cmp::Reverse(record.stopped_at));
    records.truncate(ATTENTION_MAX);
    Ok(records)
}

impl Overview {
    /// What the page shows of some facts.
    pub fn new(facts: OverviewFacts) -> Self {
        let failing = facts
            .pipelines
            .iter()
            .filter(|(_, ledger)| ledger.iter().any(|row| row.outcome == Outcome::Failed))
            .count();
        let attention: Vec<Attention> =
            facts.failed.iter().map(|(record, run)| Attention::new(record, run, &facts)).collect();
        let others = facts.failed.iter().filter(|(record, _)| record.pipeline.is_none()).count();
        Self {
            chrome: Chrome::new("Overview", "overview").live("/"),
            verdict: match unserved(&facts) {
                tasks @ 1.. if attention.is_empty() => (Mark::Warned, no_worker(tasks)),
                _ => verdict(failing, others, &facts),
            },
            tiles: tiles(&facts),
            attention,
            pipelines: rows(&facts),
            lately: facts.lately.iter().map(|record| ExecutionRow::new(record, facts.now)).collect(),
        }
    }
}

/// The pipelines: those with a failed day first, then those that run, then those that were never run last.
fn rows(facts: &OverviewFacts) -> Vec<PipelineRow> {
    let mut rows: Vec<PipelineRow> =
        facts.pipelines.iter().map(|(record, ledger)| PipelineRow::new(record, ledger, facts.now)).collect();
    rows.sort_by_key(|row| (row.failed.is_none(), row.running == 0, row.strip.is_empty(), row.name.clone()));
    rows
}

/// Tasks that have waited for a while and that no worker known here serves.
fn unserved(facts: &OverviewFacts) -> u64 {
    let late = |since: &Timestamp| facts.now.millis() - since.millis() > UNSERVED_SECONDS * 1000;
    let nobody = |queue: &str| queue != INTEGRATION_QUEUE && serving(&facts.workers, last_segment(queue)) == 0;
    facts.backlog.iter().filter(|(queue, _, since)| late(since) && nobody(queue)).map(|(_, waiting, _)| waiting).sum()
}

fn no_worker(tasks: u64) -> String {
    match tasks {
        1 => "1 task waits, and no worker serves it".to_owned(),
        several => format!("{several} tasks wait, and no worker serves them"),
    }
}

/// `others` are failed executions that belong to no pipeline.
fn verdict(failing: usize, others: usize, facts: &OverviewFacts) -> (Mark, String) {
    let ran = !facts.lately.is_empty() || facts.pipelines.iter().any(|(_, ledger)| !ledger.is_empty());
    match (failing, others) {
        (0, 0) if facts.pipelines.is_empty() && !ran => (Mark::Missing, "No pipeline yet".to_owned()),
        (0, 0) if !ran => (Mark::Missing, "Nothing has run yet".to_owned()),
        (0, 0) => (Mark::Succeeded, "All is well".to_owned()),
        (0, 1) => (Mark::Failed, "1 execution failed".to_owned()),
        (0, several) => (Mark::Failed, format!("{several} executions failed")),
        (1, 0) => (Mark::Failed, "1 pipeline needs attention".to_owned()),
        (several, 0) => (Mark::Failed, format!("{several} pipelines need attention")),
        (failing, others) => {
            let pipelines = if failing == 1 { "pipeline" } else { "pipelines" };
            let executions = if others == 1 { "execution" } else { "executions" };
            (Mark::Failed, format!("{failing} {pipelines} and {others} {executions} need attention"))
        }
    }
}

fn tiles(facts: &OverviewFacts) -> Vec<Tile> {
    let count = |wanted: &[ExecutionStatus]| -> u64 {
        facts.counts.iter().filter(|(status, _)| wanted.contains(status)).map(|(_, count)| count).sum()
    };
    let waiting: u64 = facts.backlog.iter().map(|(_, count, _)| count).sum();
    let failed = count(&FAILED);
    // The list of exactly those.
    let failed_list =
        format!("/executions?status={}&hours={FAILED_HOURS}", FAILED.map(ExecutionStatus::as_str).join(","));
    let unsent = facts.outbox.iter().filter(|m| matches!(m.delivery, Delivery::Failed | Delivery::Pending)).count();
    let about = |field: &str| -> u64 {
        facts.workers.iter().filter_map(|worker| worker.about.get(field)).map(super::workers::amount).sum()
    };
    let tile = |label: &str, value: String, detail: String, href: &str, bad| {
        let (label, href) = (label.to_owned(), href.to_owned());
        Tile { label, value, detail, href, bad }
    };
    vec![
        tile(
            "running",
            count(&[ExecutionStatus::Running]).to_string(),
            String::new(),
            "/executions?status=RUNNING",
            false,
        ),
        tile(
            if waiting == 1 { "waiting task" } else { "waiting tasks" },
            waiting.to_string(),
            String::new(),
            "/workers",
            waiting > 0 && facts.workers.is_empty(),
        ),
        tile(&format!("failed {FAILED_HOURS} h"), failed.to_string(), String::new(), &failed_list, failed > 0),
        tile("alerts unsent", unsent.to_string(), String::new(), "/alarms", unsent > 0),
        tile(
            if facts.workers.len() == 1 { "worker" } else { "workers" },
            facts.workers.len().to_string(),
            format!("{}/{} slots busy", about("running"), about("slots")),
            "/workers",
            facts.workers.is_empty(),
        ),
    ]
}

impl Attention {
    fn new(record: &ExecutionRecord, run: &Run, facts: &OverviewFacts) -> Self {
        // A run of several days names those that it left failed.
        let days: Vec<&str> = facts
            .pipelines
            .iter()
            .flat_map(|(_, ledger)| ledger)
            .filter(|row| row.execution == record.id && row.outcome == Outcome::Failed)
            .map(|row| row.partition.as_str())
            .collect();
        let partition = record.partition.clone().unwrap_or_else(|| match days.as_slice() {
            [] => String::new(),
            [day] => (*day).to_owned(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        });
        let (code, message) = run.failure.clone().unwrap_or_default();
        let machine = last_segment(&record.state_machine_arn).to_owned();
        Self {
            mark: Mark::from(record.status),
            name: record.pipeline.clone().unwrap_or(machine),
            partition,
            state: run.culprit.clone().unwrap_or_default(),
            code,
            message: cut(&message, MESSAGE_CHARS_MAX),
            at: Moment::ago(record.stopped_at.unwrap_or(record.started_at), facts.now),
            open: execution_path(&record.arn),
            reprocess: record
                .pipeline
                .as_deref()
                .zip(record.partition.as_deref())
                .map(|(name, ds)| format!("{}?ds={ds}&reprocess=true#run", pipeline_path(name))),
        }
    }
}
