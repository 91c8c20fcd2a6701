//! All pipelines.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::Dashboard;
use super::page::{Chrome, html};
use super::pipeline_row::{PipelineRow, STRIP_MAX};
use super::problem::Problem;

/// The page.
#[derive(Debug, Template)]
#[template(path = "pipelines.html")]
pub struct Pipelines {
    chrome: Chrome,
    pipelines: Vec<PipelineRow>,
}

/// `GET /pipelines`.
pub async fn show(State(dashboard): State<Dashboard>) -> Result<Html<String>, Problem> {
    let now = dashboard.store.now().await?;
    let mut pipelines = Vec::new();
    for record in dashboard.store.pipelines().await? {
        let ledger = dashboard.store.ledger_newest(&record.name, STRIP_MAX).await?;
        pipelines.push(PipelineRow::new(&record, &ledger, now));
    }
    html(&Pipelines { chrome: Chrome::new("Pipelines", "pipelines").live("/pipelines"), pipelines })
}
