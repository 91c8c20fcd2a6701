//! Executions, newest first, by status, pipeline, day or text.

use askama::Template;
use asl::Timestamp;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Dashboard;
use super::address::Address;
use super::failure::explain;
use super::mark::Mark;
use super::moment::{Moment, Took};
use super::page::{Chrome, cut, execution_path, html, pipeline_path, shorten};
use super::problem::Problem;
use super::why::last_segment;
use crate::store::{ExecutionFilter, ExecutionRecord, ExecutionStatus, Page};

/// Rows of a page.
const ROWS_MAX: u32 = 50;
/// Letters of a failure's message.
const MESSAGE_CHARS_MAX: usize = 300;
/// Letters of a name where there is little room.
const NAME_CHARS_MAX: usize = 24;
/// Executions a search by text looks through.
const SEARCHED_MAX: usize = 2_000;

/// The page's parameters.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Parameters {
    /// `RUNNING`, `FAILED`, ..., or several with commas between; anything else is all.
    pub status: Option<String>,
    /// Only what ended within so many hours; anything but a number is any time.
    pub hours: Option<String>,
    /// Only runs of this pipeline.
    pub pipeline: Option<String>,
    /// Only runs of this partition.
    pub ds: Option<String>,
    /// Text in the name, the ARN, the partition, the error or the cause.
    pub q: Option<String>,
    /// The page behind this one.
    pub token: Option<String>,
}

impl Parameters {
    fn statuses(&self) -> Vec<ExecutionStatus> {
        self.status.iter().flat_map(|statuses| statuses.split(',')).filter_map(|status| status.parse().ok()).collect()
    }

    fn hours(&self) -> Option<u32> {
        self.hours.as_deref()?.parse().ok()
    }
}

/// An execution as a row.
#[derive(Clone, Debug)]
pub struct ExecutionRow {
    /// How it stands.
    pub mark: Mark,
    /// Its name.
    pub name: String,
    /// Its name without its middle.
    pub short_name: String,
    /// Its page.
    pub href: String,
    /// Its pipeline, else its machine.
    pub of: String,
    /// The pipeline's page.
    pub of_href: Option<String>,
    /// Its day.
    pub partition: String,
    /// When it started.
    pub started: Moment,
    /// How long.
    pub took: Took,
    /// Who started it.
    pub trigger: String,
    /// Code and words of its failure.
    pub failure: Option<(String, String)>,
}

impl ExecutionRow {
    /// The row of an execution.
    pub fn new(record: &ExecutionRecord, now: Timestamp) -> Self {
        let failure = record.error.is_some() || record.cause.is_some();
        let failure = failure.then(|| explain(record.error.as_deref(), record.cause.as_deref()));
        Self {
            mark: Mark::from(record.status),
            name: record.name.clone(),
            short_name: shorten(&record.name, NAME_CHARS_MAX),
            href: execution_path(&record.arn),
            of: record.pipeline.clone().unwrap_or_else(|| last_segment(&record.state_machine_arn).to_owned()),
            of_href: record.pipeline.as_deref().map(pipeline_path),
            partition: record.partition.clone().unwrap_or_default(),
            started: Moment::ago(record.started_at, now),
            took: Took::new(record.started_at, record.stopped_at, now),
            trigger: record.trigger.clone(),
            failure: failure.map(|explained| (explained.code, cut(&explained.message, MESSAGE_CHARS_MAX))),
        }
    }
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "executions.html")]
pub struct Executions {
    chrome: Chrome,
    filters: Vec<Filter>,
    chips: Vec<Chip>,
    rows: Vec<ExecutionRow>,
    next: Option<String>,
    first: Option<String>,
    /// Whether only some executions are asked for.
    filtered: bool,
}

/// A status to filter by.
#[derive(Debug)]
struct Filter {
    mark: Option<Mark>,
    href: String,
    selected: bool,
}

/// Another filter that is on.
#[derive(Debug)]
struct Chip {
    label: String,
    without: String,
}

/// `GET /executions`.
pub async fn show(
    State(dashboard): State<Dashboard>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let query = parameters.q.as_deref().map(str::trim).unwrap_or_default();
    if query.starts_with("arn:") && dashboard.store.execution(query).await?.is_some() {
        return Ok(Redirect::to(&execution_path(query)).into_response());
    }
    let now = dashboard.store.now().await?;
    let (records, next) = find(&dashboard, &parameters, query, now).await?;
    let page: Html<String> = html(&Executions::new(&parameters, &records, next.as_deref(), now))?;
    Ok(page.into_response())
}

async fn find(
    dashboard: &Dashboard,
    parameters: &Parameters,
    query: &str,
    now: Timestamp,
) -> Result<(Vec<ExecutionRecord>, Option<String>), Problem> {
    let is_day = chrono::NaiveDate::parse_from_str(query, "%Y-%m-%d").is_ok();
    let filter = ExecutionFilter {
        state_machine_arn: None,
        statuses: parameters.statuses(),
        stopped_since: parameters.hours().map(|hours| now.plus_seconds(-3600 * i64::from(hours))),
        pipeline: parameters.pipeline.clone().filter(|name| !name.is_empty()),
        partition: parameters.ds.clone().filter(|ds| !ds.is_empty()).or_else(|| is_day.then(|| query.to_owned())),
        alone: false,
    };
    let mut page = Page { token: parameters.token.clone(), limit: ROWS_MAX };
    if query.is_empty() || is_day {
        let list = dashboard.store.list_executions(&filter, &page).await?;
        return Ok((list.items, list.next));
    }
    let wanted = query.to_lowercase();
    let mut found = Vec::new();
    let mut searched = 0;
    page.limit = 500;
    while searched < SEARCHED_MAX && found.len() < ROWS_MAX as usize {
        let list = dashboard.store.list_executions(&filter, &page).await?;
        searched += list.items.len();
        found.extend(list.items.into_iter().filter(|record| matches(record, &wanted)));
        match list.next {
            Some(next) => page.token = Some(next),
            None => break,
        }
    }
    found.truncate(ROWS_MAX as usize);
    Ok((found, None))
}

fn matches(record: &ExecutionRecord, wanted: &str) -> bool {
    [
        Some(&record.arn),
        record.pipeline.as_ref(),
        record.partition.as_ref(),
        record.error.as_ref(),
        record.cause.as_ref(),
    ]
    .into_iter()
    .flatten()
    .any(|text| text.to_lowercase().contains(wanted))
}

impl Executions {
    fn new(parameters: &Parameters, records: &[ExecutionRecord], next: Option<&str>, now: Timestamp) -> Self {
        let address = Address::new("/executions")
            .with("status", parameters.status.as_deref())
            .with("hours", parameters.hours.as_deref())
            .with("pipeline", parameters.pipeline.as_deref())
            .with("ds", parameters.ds.as_deref())
            .with("q", parameters.q.as_deref());
        let statuses = parameters.statuses();
        let all = [
            None,
            Some(ExecutionStatus::Running),
            Some(ExecutionStatus::Succeeded),
            Some(ExecutionStatus::Failed),
            Some(ExecutionStatus::TimedOut),
            Some(ExecutionStatus::Aborted),
        ];
        let filters = all
            .into_iter()
            .map(|wanted| Filter {
                mark: wanted.map(Mark::from),
                href: address.with("status", wanted.map(ExecutionStatus::as_str)).to_string(),
                selected: wanted.map_or(statuses.is_empty(), |wanted| statuses.contains(&wanted)),
            })
            .collect();
        let hours = parameters.hours().map(|hours| hours.to_string());
        let given =
            [("hours", &hours), ("pipeline", &parameters.pipeline), ("ds", &parameters.ds), ("q", &parameters.q)];
        let chips: Vec<Chip> = given
            .into_iter()
            .filter_map(|(name, value)| {
                let value = value.as_deref().filter(|value| !value.is_empty())?;
                let label = match name {
                    "hours" => format!("ended within {value} h"),
                    "q" => format!("“{value}”"),
                    name => format!("{name} {value}"),
                };
                Some(Chip { label, without: address.without(&[name]).to_string() })
            })
            .collect();
        let narrowed = !chips.is_empty();
        let mut chrome = Chrome::new("Executions", "executions").live("/executions");
        chrome.query = parameters.q.clone().unwrap_or_default();
        Self {
            chrome,
            filters,
            chips,
            rows: records.iter().map(|record| ExecutionRow::new(record, now)).collect(),
            next: next.map(|token| address.with("token", Some(token)).to_string()),
            first: parameters.token.is_some().then(|| address.to_string()),
            filtered: !statuses.is_empty() || narrowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    #[test]
    fn text_is_found_in_name_day_and_error() {
        let record = sample::failed().record;
        for (text, found) in [("sample-FAILED", true), ("2025-09-05", true), ("dq_failed", true), ("elsewhere", false)]
        {
            assert_eq!(matches(&record, &text.to_lowercase()), found, "{text}");
        }
    }
}
