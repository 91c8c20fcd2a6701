//! An execution: what happened, where it is now, why, and what can be done about it.

use std::collections::HashSet;

use askama::Template;
use asl::TaskId;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::address::Address;
use super::facts::Facts;
use super::graph::{Drawings, Graph, paint};
use super::history_table::HistoryTable;
use super::mark::Mark;
use super::moment::{Moment, Took, full};
use super::page::{Chrome, encode, execution_path, html, pipeline_path, shorten};
use super::panel::Panel;
use super::problem::Problem;
use super::results::ResultsView;
use super::timeline::{Block, Timeline, timeline};
use super::visit::Visits;
use super::why::{Why, culprit, why};
use super::{Dashboard, history};
use crate::pipeline::Results;
use crate::store::{ExecutionRecord, ExecutionStatus, Page, Store};

/// The page's parameters.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Parameters {
    /// The state of the panel.
    pub state: Option<String>,
    /// The visit of it, by its entered event.
    pub visit: Option<u64>,
    /// The tab of the panel.
    pub tab: Option<String>,
    /// Show the execution as it stood after this event.
    pub at: Option<u64>,
    /// Only events of this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only events of this state.
    pub of: Option<String>,
    /// Only events behind this one.
    pub after: Option<u64>,
    /// What an action did: `stopped` or `started`.
    pub done: Option<String>,
}

/// The page.
#[derive(Template)]
#[template(path = "execution.html")]
pub struct ExecutionPage {
    chrome: Chrome,
    address: Address,
    record: ExecutionRecord,
    arn_short: String,
    name_short: String,
    of: String,
    of_path: Option<String>,
    mark: Mark,
    started: Moment,
    started_at: String,
    took: Took,
    reprocess: Option<String>,
    stop: Option<String>,
    notice: Option<&'static str>,
    why: Option<Why>,
    graph: Option<Graph>,
    panel: Panel,
    results: Option<ResultsView>,
    timeline: Timeline,
    table: HistoryTable,
    at: u64,
    last_id: u64,
    walking: bool,
    walk_fields: Vec<(&'static str, String)>,
    now_href: String,
}

/// `GET /executions/{key}`.
pub async fn show(
    State(dashboard): State<Dashboard>,
    Path(key): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Html<String>, Problem> {
    let record = find(&*dashboard.store, &key).await?;
    let mut facts = Facts::gather(&*dashboard.store, record).await?;
    let visits = Visits::read(&facts.history);
    facts.read_logs(&*dashboard.store, &tasks_of_interest(&facts, &visits, &parameters)).await?;
    html(&ExecutionPage::new(facts, &parameters, &dashboard.drawings))
}

/// `GET /executions/{key}/history.json`: the whole public history, as the API shows it.
pub async fn download(State(dashboard): State<Dashboard>, Path(key): Path<String>) -> Result<Response, Problem> {
    let record = find(&*dashboard.store, &key).await?;
    let events = dashboard.store.load(record.id).await?.map(|loaded| loaded.events).unwrap_or_default();
    let history: Vec<Value> = history::wire(&events);
    let disposition = format!("attachment; filename=\"{}.history.json\"", encode(&record.name));
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, serde_json::json!({ "events": history }).to_string()).into_response())
}

/// The execution with this ARN or, whatever its machine, this name.
pub async fn find(store: &dyn Store, key: &str) -> Result<ExecutionRecord, Problem> {
    if key.starts_with("arn:") {
        if let Some(record) = store.execution(key).await? {
            return Ok(record);
        }
    } else {
        let mut page = Page::default();
        loop {
            let machines = store.list_state_machines(&page).await?;
            for machine in &machines.items {
                let arn = format!("{}:{key}", machine.arn.replace(":stateMachine:", ":execution:"));
                if let Some(record) = store.execution(&arn).await? {
                    return Ok(record);
                }
            }
            match machines.next {
                Some(next) => page.token = Some(next),
                None => break,
            }
        }
    }
    Err(Problem::NotFound { what: format!("execution `{key}`"), back: ("/executions", "All executions") })
}

/// Tasks whose logs the page shows: those of the selected visit and of the one that failed.
fn tasks_of_interest(facts: &Facts, visits: &Visits, parameters: &Parameters) -> HashSet<TaskId> {
    let selected = selected(facts, visits, parameters);
    [selected, culprit(facts, visits)]
        .into_iter()
        .flatten()
        .flat_map(|index| &visits.list[index].attempts)
        .filter_map(|attempt| attempt.task)
        .collect()
}

/// The visit the panel shows: the one asked for, else what failed, else what runs.
fn selected(facts: &Facts, visits: &Visits, parameters: &Parameters) -> Option<usize> {
    let by_id = parameters.visit.and_then(|id| visits.owner(id));
    let by_name = || parameters.state.as_deref().and_then(|state| visits.last_of(state));
    match (by_id, &parameters.state) {
        (Some(index), _) => Some(index),
        (None, Some(_)) => by_name(),
        (None, None) if facts.record.status == ExecutionStatus::Running => {
            visits.open_leaves().next().map(|(index, _)| index)
        }
        (None, None) => match facts.record.status {
            ExecutionStatus::Succeeded => None,
            _ => culprit(facts, visits),
        },
    }
}

impl ExecutionPage {
    /// What the page shows of some facts.
    pub fn new(mut facts: Facts, parameters: &Parameters, drawings: &Drawings) -> Self {
        let last_id = facts.history.iter().map(|event| event.id).max().unwrap_or(0);
        let at = parameters.at.filter(|at| *at < last_id).unwrap_or(last_id);
        let walking = at < last_id;
        let path = execution_path(&facts.record.arn);
        let address = Address::new(path.clone())
            .with("state", parameters.state.as_deref())
            .with("visit", parameters.visit.map(|id| id.to_string()).as_deref())
            .with("tab", parameters.tab.as_deref())
            .with("at", parameters.at.map(|at| at.to_string()).as_deref())
            .with("type", parameters.kind.as_deref())
            .with("of", parameters.of.as_deref());
        if walking {
            stand_at(&mut facts, at);
        }
        let visits = Visits::read(&facts.history);
        let index = selected(&facts, &visits, parameters);
        let state = parameters.state.clone().or_else(|| index.map(|index| visits.list[index].state.clone()));
        let record = &facts.record;
        let (of, of_path) = match &record.pipeline {
            Some(pipeline) => (pipeline.clone(), Some(pipeline_path(pipeline))),
            None => (super::why::last_segment(&record.state_machine_arn).to_owned(), None),
        };
        let running = record.status == ExecutionStatus::Running && !walking;
        let reprocess = record.pipeline.as_deref().zip(record.partition.as_deref()).filter(|_| !running);
        let title = format!("{of} {}", record.partition.as_deref().unwrap_or(&record.name));
        let base = address.without(&["state", "visit", "tab", "after"]);
        Self {
            chrome: Chrome::new(&title, "executions").live(if running { &path } else { "" }),
            arn_short: shorten(&record.arn, 56),
            name_short: shorten(&record.name, 44),
            mark: Mark::from(record.status),
            started: Moment::ago(record.started_at, facts.now),
            started_at: full(record.started_at),
            took: Took::new(record.started_at, record.stopped_at, facts.now),
            reprocess: reprocess.map(|(name, ds)| format!("{}?ds={ds}&reprocess=true#run", pipeline_path(name))),
            stop: running.then(|| format!("{path}/stop")),
            notice: match parameters.done.as_deref() {
                Some("stopped") => {
                    Some("Stopped. What was at work was told to end; nothing half-written is published.")
                }
                Some("started") => Some("Started. This page follows it live."),
                _ => None,
            },
            why: why(&facts, &visits),
            graph: drawings
                .of(&facts.definition)
                .map(|drawing| paint(&drawing, &visits, state.as_deref(), &base.to_string())),
            panel: Panel::new(&facts, &visits, index, state.as_deref(), parameters.tab.as_deref(), &address),
            // What was reported is known of now only, not of the past that is walked through.
            results: if walking { None } else { ResultsView::new("results", &Results::of_reports(&facts.reports)) },
            timeline: timeline(&visits, record.started_at, record.stopped_at, facts.now),
            table: HistoryTable::new(&facts, &visits, parameters, &address),
            walk_fields: address.hidden(&["at", "after"]),
            now_href: address.without(&["at"]).to_string(),
            record: facts.record,
            address,
            of,
            of_path,
            at,
            last_id,
            walking,
        }
    }
}

/// The facts as they were after event `at`.
fn stand_at(facts: &mut Facts, at: u64) {
    let end = facts.history.iter().position(|event| event.id > at).unwrap_or(facts.history.len());
    facts.history.truncate(end);
    facts.now = facts.history.last().map_or(facts.record.started_at, |event| event.at);
    facts.record.status = ExecutionStatus::Running;
    facts.record.stopped_at = None;
    facts.record.output = None;
    facts.record.error = None;
    facts.record.cause = None;
    facts.tasks.clear();
}
