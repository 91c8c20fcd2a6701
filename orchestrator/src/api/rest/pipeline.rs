//! Pipelines and their partitions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::{Path, Query};
use super::view::{List, PartitionView};
use super::{Problem, Rest};
use crate::pipeline::{Day, Pipeline};

/// Partitions shown when no range is asked for.
const PARTITIONS_DEFAULT: u32 = 60;
/// The widest range of one call, in days.
const RANGE_DAYS_MAX: i64 = 3_660;

/// A pipeline.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PipelineView {
    /// Its name.
    name: String,
    /// Its machine; absent if its files could not be applied yet.
    state_machine_arn: Option<String>,
    /// One sentence for people.
    description: String,
    /// Whether a failed run raises an alert.
    monitored: bool,
    /// The field of the input that names a partition.
    partition_key: Option<String>,
    /// `0 6 * * 1-5 Europe/Berlin`.
    schedule: Option<String>,
    /// The tables it writes.
    tables: Vec<String>,
    /// What is odd about its sheet.
    warnings: Vec<String>,
    /// Why the newest version of its files is not in force.
    problem: Option<String>,
}

/// A pipeline with its sheet and its newest partitions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PipelineDetail {
    /// As in lists.
    #[serde(flatten)]
    pipeline: PipelineView,
    /// The template of a run's input.
    #[schema(value_type = Object)]
    input: Value,
    /// The newest partitions, ascending.
    partitions: Vec<PartitionView>,
}

impl PipelineView {
    fn of(pipeline: &Pipeline, problem: Option<String>) -> Self {
        let sheet = &pipeline.sheet;
        Self {
            name: pipeline.name.clone(),
            state_machine_arn: Some(pipeline.state_machine_arn.clone()),
            description: sheet.description.clone(),
            monitored: sheet.monitored,
            partition_key: Some(sheet.partition.key.clone()),
            schedule: sheet.schedule.as_ref().map(|schedule| format!("{} {}", schedule.cron, schedule.time_zone)),
            tables: sheet.tables.iter().map(|table| table.name.clone()).collect(),
            warnings: pipeline.warnings.clone(),
            problem,
        }
    }

    fn broken(name: String, problem: String) -> Self {
        Self {
            name,
            state_machine_arn: None,
            description: String::new(),
            monitored: false,
            partition_key: None,
            schedule: None,
            tables: Vec::new(),
            warnings: Vec::new(),
            problem: Some(problem),
        }
    }
}

/// All pipelines, by name; also those whose files could not be applied, with the reason.
#[utoipa::path(get, path = "/api/v1/pipelines", tag = "pipelines", responses((status = 200, body = List<PipelineView>)))]
pub(super) async fn list(State(rest): State<Arc<Rest>>) -> Json<List<PipelineView>> {
    let mut problems = rest.registry.problems();
    let mut items: Vec<PipelineView> = rest
        .registry
        .all()
        .iter()
        .map(|pipeline| {
            let at = problems.iter().position(|problem| problem.name == pipeline.name);
            PipelineView::of(pipeline, at.map(|at| problems.swap_remove(at).message))
        })
        .collect();
    items.extend(problems.into_iter().map(|problem| PipelineView::broken(problem.name, problem.message)));
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Json(List::all(items))
}

/// One pipeline.
#[utoipa::path(
    get, path = "/api/v1/pipelines/{name}", tag = "pipelines", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = PipelineDetail), (status = 404, body = Problem))
)]
pub(super) async fn get(
    State(rest): State<Arc<Rest>>,
    Path(name): Path<String>,
) -> Result<Json<PipelineDetail>, Problem> {
    let problem = rest.registry.problems().into_iter().find(|problem| problem.name == name);
    let Some(pipeline) = rest.registry.get(&name) else {
        return match problem {
            Some(problem) => {
                let pipeline = PipelineView::broken(problem.name, problem.message);
                Ok(Json(PipelineDetail { pipeline, input: Value::Null, partitions: Vec::new() }))
            }
            None => Err(unknown(&rest, &name)),
        };
    };
    let newest = rest.engine.store().ledger_newest(&name, PARTITIONS_DEFAULT).await?;
    Ok(Json(PipelineDetail {
        pipeline: PipelineView::of(&pipeline, problem.map(|problem| problem.message)),
        input: pipeline.sheet.input.clone(),
        partitions: newest.into_iter().map(PartitionView::from).collect(),
    }))
}

/// A range of days.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RangeQuery {
    /// The first partition, `2024-12-01`.
    from: Option<String>,
    /// The last partition, `2024-12-31`.
    to: Option<String>,
}

/// The ledger: what became of each partition, ascending; the newest ones without a range.
#[utoipa::path(
    get, path = "/api/v1/pipelines/{name}/partitions", tag = "pipelines",
    params(("name" = String, Path, description = "The pipeline's name"), RangeQuery),
    responses((status = 200, body = List<PartitionView>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn partitions(
    State(rest): State<Arc<Rest>>,
    Path(name): Path<String>,
    Query(range): Query<RangeQuery>,
) -> Result<Json<List<PartitionView>>, Problem> {
    if rest.registry.get(&name).is_none() {
        return Err(unknown(&rest, &name));
    }
    let store = rest.engine.store();
    let rows = if range.from.is_none() && range.to.is_none() {
        store.ledger_newest(&name, PARTITIONS_DEFAULT).await?
    } else {
        let from = day("from", range.from)?;
        let to = day("to", range.to)?;
        if let (Some(from), Some(to)) = (from, to)
            && !(0..=RANGE_DAYS_MAX).contains(&(to.date() - from.date()).num_days())
        {
            let problem = format!("is not within {RANGE_DAYS_MAX} days after `from`");
            return Err(Problem::invalid("to", &problem, "give a later or a nearer day"));
        }
        let text = |day: Option<Day>, open: &str| day.map_or_else(|| open.to_owned(), |day| day.to_string());
        store.ledger(&name, &text(from, "0000-01-01"), &text(to, "9999-12-31")).await?
    };
    Ok(Json(List::all(rows.into_iter().map(PartitionView::from).collect())))
}

fn day(field: &str, text: Option<String>) -> Result<Option<Day>, Problem> {
    let Some(text) = text else { return Ok(None) };
    match Day::parse(&text) {
        Some(day) => Ok(Some(day)),
        None => {
            Err(Problem::invalid(field, &format!("is `{text}`"), "give a real date as YYYY-MM-DD, such as 2024-12-07"))
        }
    }
}

fn unknown(rest: &Rest, name: &str) -> Problem {
    let known: Vec<String> = rest.registry.all().iter().map(|pipeline| pipeline.name.clone()).collect();
    Problem::not_found(format!("there is no pipeline `{name}`")).field("name").remedy(&match known.as_slice() {
        [] => "put a state machine and its sheet into the folder the server watches".to_owned(),
        known => format!("there are: {}", known.join(", ")),
    })
}
