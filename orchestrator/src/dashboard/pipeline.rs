//! A pipeline: which days are in, which are not, why, and how to make them.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use asl::Timestamp;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Html;
use serde::Deserialize;

use super::Dashboard;
use super::address::Address;
use super::executions::ExecutionRow;
use super::graph::{self, Drawings, Graph, paint};
use super::grid::Grid;
use super::json::Json;
use super::mark::Mark;
use super::moment::{Moment, count, duration, size};
use super::page::{Chrome, execution_path, html, pipeline_path};
use super::pipeline_row::{in_until, last_day, length, median};
use super::problem::Problem;
use super::results::{ResultsView, TallyView};
use super::runs::Run;
use super::sheet::SheetView;
use super::visit::Visits;
use crate::pipeline::Results;
use crate::store::{ExecutionFilter, ExecutionId, ExecutionRecord, LedgerRow, Outcome, Page, PipelineRecord, Store};

/// Partitions that are looked at.
const PARTITIONS_MAX: u32 = 45;
/// Runs that are listed.
const RUNS_MAX: u32 = 25;

/// The page's parameters.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Parameters {
    /// `runs`, `definition` or `sheet`; anything else is the partitions.
    pub tab: Option<String>,
    /// The day in the form.
    pub ds: Option<String>,
    /// The partition whose results are shown.
    pub row: Option<String>,
    /// Whether the form's box is ticked.
    #[serde(default)]
    pub reprocess: Option<String>,
}

/// What the page is made of.
#[derive(Debug)]
pub struct PipelineFacts {
    /// The store's clock.
    pub now: Timestamp,
    /// Its row.
    pub record: PipelineRecord,
    /// The current definition of its machine; empty if that is gone.
    pub definition: String,
    /// Which revision that is.
    pub revision: Option<u32>,
    /// The newest rows of its ledger, ascending.
    pub ledger: Vec<LedgerRow>,
    /// How the executions of those rows went.
    pub runs: HashMap<ExecutionId, Arc<Run>>,
    /// The revisions they ran on.
    pub revisions: HashMap<ExecutionId, u32>,
    /// Its newest executions.
    pub executions: Vec<ExecutionRecord>,
}

/// The page.
#[derive(Template)]
#[template(path = "pipeline.html")]
pub struct PipelinePage {
    chrome: Chrome,
    name: String,
    /// The server as the browser knows it.
    host: String,
    path: String,
    sheet: SheetView,
    sheet_text: String,
    newest: Option<Mark>,
    standing: Vec<String>,
    revision: Option<u32>,
    tab: &'static str,
    tabs: Vec<(&'static str, String, bool)>,
    grid: Option<Grid>,
    partitions: Vec<PartitionRow>,
    runs: Vec<ExecutionRow>,
    graph: Option<Graph>,
    definition: Json,
    form: RunForm,
}

#[derive(Debug)]
struct PartitionRow {
    partition: String,
    mark: Mark,
    reason: String,
    rows: String,
    files: String,
    bytes: String,
    tally: TallyView,
    tables: usize,
    toggle: Option<String>,
    results: Option<ResultsView>,
    duration: String,
    execution: String,
    revision: Option<u32>,
    when: Moment,
    reprocess: String,
}

/// The form that starts a run, with what it will do.
#[derive(Debug)]
struct RunForm {
    open: bool,
    ds: String,
    reprocess: bool,
    /// `overwrites 3 tables (prices, indicators), about 40 s`.
    plan: String,
    busy: Option<String>,
    known: Option<(Mark, String)>,
}

/// `GET /pipelines/{name}`.
pub async fn show(
    State(dashboard): State<Dashboard>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Html<String>, Problem> {
    let facts = gather(&dashboard, &name).await?;
    let mut page = PipelinePage::new(facts, &parameters, &dashboard.drawings);
    // The command to copy goes where this page came from.
    if let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) {
        page.host = host.to_owned();
    }
    html(&page)
}

/// The pipeline with this name.
pub async fn find(store: &dyn Store, name: &str) -> Result<PipelineRecord, Problem> {
    let known = store.pipelines().await?.into_iter().find(|pipeline| pipeline.name == name);
    known.ok_or_else(|| Problem::NotFound { what: format!("pipeline `{name}`"), back: ("/pipelines", "All pipelines") })
}

async fn gather(dashboard: &Dashboard, name: &str) -> Result<PipelineFacts, Problem> {
    let store = &*dashboard.store;
    let record = find(store, name).await?;
    let machine = store.state_machine(&record.state_machine_arn).await?;
    let ledger = store.ledger_newest(name, PARTITIONS_MAX).await?;
    let (mut runs, mut revisions) = (HashMap::new(), HashMap::new());
    for row in &ledger {
        if runs.contains_key(&row.execution) {
            continue;
        }
        if let Some(execution) = store.execution_by_id(row.execution).await? {
            runs.insert(row.execution, dashboard.runs.of(store, &execution).await?);
            revisions.insert(row.execution, execution.revision_number);
        }
    }
    let filter = ExecutionFilter { pipeline: Some(name.to_owned()), ..ExecutionFilter::default() };
    let page = Page { token: None, limit: RUNS_MAX };
    Ok(PipelineFacts {
        now: store.now().await?,
        revision: machine.as_ref().map(|machine| machine.revision.number),
        definition: machine.map(|machine| machine.revision.definition).unwrap_or_default(),
        executions: store.list_executions(&filter, &page).await?.items,
        record,
        ledger,
        runs,
        revisions,
    })
}

impl PipelinePage {
    /// What the page shows of some facts.
    pub fn new(facts: PipelineFacts, parameters: &Parameters, drawings: &Drawings) -> Self {
        let sheet = SheetView::read(&facts.record.sheet);
        let path = pipeline_path(&facts.record.name);
        let tab = match parameters.tab.as_deref() {
            Some("runs") => "runs",
            Some("definition") => "definition",
            Some("sheet") => "sheet",
            _ => "partitions",
        };
        let tabs = [("partitions", "Partitions"), ("runs", "Runs"), ("definition", "Definition"), ("sheet", "Sheet")]
            .into_iter()
            .map(|(name, label)| (label, format!("{path}?tab={name}"), name == tab))
            .collect();
        let tasks: Vec<String> = serde_json::from_str(&facts.definition)
            .map(|definition| graph::states(&definition))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, kind)| (kind == "Task").then_some(name))
            .collect();
        Self {
            chrome: Chrome::new(&facts.record.name, "pipelines").live(&path),
            newest: facts.ledger.last().map(|row| Mark::from(row.outcome)),
            standing: standing(&facts, &sheet),
            revision: facts.revision,
            grid: Grid::new(&facts.ledger, &facts.runs, &tasks),
            partitions: facts
                .ledger
                .iter()
                .rev()
                .map(|row| PartitionRow::new(row, &facts, &path, parameters.row.as_deref()))
                .collect(),
            runs: facts.executions.iter().map(|record| ExecutionRow::new(record, facts.now)).collect(),
            graph: drawings
                .of(&facts.definition)
                .map(|drawing| paint(&drawing, &Visits::default(), None, &format!("{path}?tab=definition"))),
            definition: if tab == "definition" { Json::of_text(&facts.definition) } else { Json::default() },
            form: RunForm::new(&facts, &sheet, parameters),
            name: facts.record.name,
            host: "127.0.0.1:8083".to_owned(),
            sheet_text: facts.record.sheet,
            sheet,
            path,
            tab,
            tabs,
        }
    }
}

/// The line under the title: until when it is in, and its schedule.
fn standing(facts: &PipelineFacts, sheet: &SheetView) -> Vec<String> {
    let mut words = Vec::new();
    match facts.ledger.last().map(|row| row.outcome) {
        None => words.push("no partition yet".to_owned()),
        Some(Outcome::Failed) => words.push("last run failed".to_owned()),
        Some(_) => {}
    }
    words.extend(in_until(&facts.ledger).map(|(partition, gaps)| match gaps {
        0 => format!("in until {partition}"),
        gaps => format!("in until {partition}, except {gaps}"),
    }));
    words.extend(sheet.schedule.as_ref().map(|schedule| format!("schedule {schedule}")));
    words.extend(sheet.expected.as_ref().map(|expected| format!("expected by {expected}")));
    words.extend(median(&facts.ledger).map(|length| format!("usually {}", duration(length))));
    words
}

impl PartitionRow {
    fn new(row: &LedgerRow, facts: &PipelineFacts, path: &str, open: Option<&str>) -> Self {
        let results = Results::of_ledger(&row.partition, &row.quality);
        let is_open = open == Some(row.partition.as_str());
        let address = Address::new(path).with("row", Some(&row.partition).filter(|_| !is_open).map(String::as_str));
        let number = |value: Option<i64>, show: fn(i64) -> String| value.map_or_else(|| "—".to_owned(), show);
        Self {
            partition: row.partition.clone(),
            mark: Mark::from(row.outcome),
            reason: reason(row, &results),
            rows: number(row.rows, count),
            files: number(row.files, count),
            bytes: number(row.bytes, size),
            tally: TallyView::new(results.tally),
            tables: results.tables.iter().filter(|written| !written.quarantined).count(),
            toggle: (!results.is_empty()).then(|| format!("{address}#partitions")),
            results: ResultsView::new(&row.partition, &results).filter(|_| is_open),
            duration: length(row).map_or_else(|| "…".to_owned(), duration),
            execution: execution_path(&row.execution_arn),
            revision: facts.revisions.get(&row.execution).copied(),
            when: Moment::ago(row.ended_at.unwrap_or(row.started_at), facts.now),
            reprocess: format!("{path}?ds={}&reprocess=true#run", row.partition),
        }
    }
}

/// Why a partition stands as it does; of a bare code with the words of the job that gave it.
fn reason(row: &LedgerRow, results: &Results) -> String {
    let reason = row.reason.clone().unwrap_or_default();
    let said =
        if row.outcome == Outcome::Running || !results.is_empty() { String::new() } else { quality(&row.quality) };
    match (reason.is_empty() || !reason.contains(' '), said.is_empty()) {
        (true, false) if reason.is_empty() => said,
        (true, false) => format!("{reason}: {said}"),
        _ => reason,
    }
}

/// Quality results in a few words: `DQ OK`, or `transform: DQ OK, indicators: …` of several jobs.
fn quality(results: &serde_json::Value) -> String {
    let Some(jobs) = results.as_object() else { return String::new() };
    let words = jobs.iter().map(|(job, result)| {
        let said = match result {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Object(fields) => ["message", "code", "status"]
                .iter()
                .find_map(|name| fields.get(*name)?.as_str())
                .unwrap_or("reported")
                .to_owned(),
            other => other.to_string(),
        };
        if jobs.len() == 1 { said } else { format!("{job}: {said}") }
    });
    words.collect::<Vec<_>>().join(", ")
}

impl RunForm {
    fn new(facts: &PipelineFacts, sheet: &SheetView, parameters: &Parameters) -> Self {
        // Where no day was made yet, the form proposes the last one that is due.
        let proposed = || facts.ledger.is_empty().then(|| last_day(facts.now, sheet.weekdays)).flatten();
        let given = parameters.ds.clone().filter(|ds| !ds.is_empty());
        let ds = given.or_else(proposed).unwrap_or_default();
        let known = facts.ledger.iter().find(|row| row.partition == ds);
        let tables = match sheet.tables.as_slice() {
            [] => "the day's output".to_owned(),
            [table] => format!("1 table ({table})"),
            several => format!("{} tables ({})", several.len(), several.join(", ")),
        };
        let about = median(&facts.ledger).map(|length| format!(", about {}", duration(length))).unwrap_or_default();
        Self {
            open: parameters.ds.is_some() || facts.ledger.is_empty(),
            reprocess: parameters.reprocess.as_deref().is_some_and(|value| value == "true" || value == "1"),
            plan: format!("overwrites {tables}{about}"),
            busy: known.filter(|row| row.outcome == Outcome::Running).map(|row| execution_path(&row.execution_arn)),
            known: known.map(|row| (Mark::from(row.outcome), row.reason.clone().unwrap_or_default())),
            ds,
        }
    }
}
