//! The public history, page by page in both directions.

use protocol::{GetExecutionHistoryInput, GetExecutionHistoryOutput};

use super::check::Check;
use super::error::ApiError;
use super::{Api, execution};
use crate::store::HistoryQuery;

/// AWS's default page.
const PAGE: u32 = 100;

pub(super) async fn get(api: &Api, input: GetExecutionHistoryInput) -> Result<GetExecutionHistoryOutput, ApiError> {
    let mut check = Check::new();
    let limit = match check.max_results(input.max_results, 1000) {
        0 => PAGE,
        limit => limit,
    };
    check.optional("nextToken", &input.next_token, 1, 1024);
    check.done()?;
    let record = execution::named(api, &input.execution_arn).await?;
    let reverse = input.reverse_order.unwrap_or(false);
    let after = input.next_token.as_deref().map(|token| after(token, reverse)).transpose()?;
    // One more than asked for tells whether there is another page.
    let query = HistoryQuery { reverse, after, limit: limit + 1 };
    let mut events = api.engine.store().history(record.id, &query).await?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let last = events.last().and_then(|event| event.public).map(|public| public.id);
    let include = input.include_execution_data.unwrap_or(true);
    Ok(GetExecutionHistoryOutput {
        events: events.iter().filter_map(|event| asl::history::project(event, include)).collect(),
        next_token: last.filter(|_| more).map(|id| token(id, reverse)),
    })
}

/// A page ends behind an event, in a direction.
fn token(id: u64, reverse: bool) -> String {
    format!("{}{id}", if reverse { 'r' } else { 'f' })
}

fn after(token: &str, reverse: bool) -> Result<u64, ApiError> {
    token
        .strip_prefix(if reverse { 'r' } else { 'f' })
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'"))
}
