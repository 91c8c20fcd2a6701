//! Activities: create, describe, list, delete, and the long poll of workers.

use std::time::Duration;

use protocol::{
    Activity, ActivityArnInput, CreateActivityInput, CreateActivityOutput, DescribeActivityOutput, Empty,
    GetActivityTaskInput, GetActivityTaskOutput, ListActivitiesOutput, ListInput,
};
use serde_json::json;

use super::arn::{self, Kind};
use super::check::{self, Check};
use super::error::ApiError;
use super::{Api, state_machine};
use crate::store::ActivityRecord;

/// How long a poll is held. Source: `GetActivityTask`; clients wait a little longer on their socket.
const POLL: Duration = Duration::from_secs(60);

pub(super) async fn create(api: &Api, input: CreateActivityInput) -> Result<CreateActivityOutput, ApiError> {
    let mut check = Check::new();
    let name = check.required("name", &input.name, 1, 80);
    check.done()?;
    check::name(&name)?;
    if input.tags.as_ref().is_some_and(|tags| tags.len() > state_machine::TAGS_MAX) {
        return Err(ApiError::new("TooManyTags", format!("At most {} tags are allowed", state_machine::TAGS_MAX)));
    }
    let config = api.engine.config();
    let activity = ActivityRecord {
        arn: format!("arn:aws:states:{}:{}:activity:{name}", config.region, config.account),
        name,
        created_at: api.engine.now(),
        tags: json!(input.tags.unwrap_or_default()),
    };
    let created = api.engine.store().create_activity(&activity).await?;
    Ok(CreateActivityOutput { activity_arn: created.arn, creation_date: created.created_at.epoch_seconds() })
}

pub(super) async fn describe(api: &Api, input: ActivityArnInput) -> Result<DescribeActivityOutput, ApiError> {
    let activity = wire(named(api, &input.activity_arn).await?);
    Ok(DescribeActivityOutput { activity, encryption_configuration: json!({ "type": "AWS_OWNED_KEY" }) })
}

/// Succeeds for an unknown activity, as AWS does.
pub(super) async fn delete(api: &Api, input: ActivityArnInput) -> Result<Empty, ApiError> {
    let activity_arn = checked(&input.activity_arn)?;
    api.engine.store().delete_activity(&activity_arn).await?;
    api.engine.forget_activity(&activity_arn);
    Ok(Empty {})
}

pub(super) async fn list(api: &Api, input: ListInput) -> Result<ListActivitiesOutput, ApiError> {
    let page = state_machine::page(&input, 1024)?;
    let activities = api.engine.store().list_activities(&page).await?;
    Ok(ListActivitiesOutput {
        activities: activities.items.into_iter().map(wire).collect(),
        next_token: activities.next,
    })
}

pub(super) async fn get_task(api: &Api, input: GetActivityTaskInput) -> Result<GetActivityTaskOutput, ApiError> {
    let mut check = Check::new();
    check.optional("workerName", &input.worker_name, 1, 80);
    check.done()?;
    if let Some(name) = &input.worker_name {
        check::name(name)?;
    }
    let activity_arn = checked(&input.activity_arn)?;
    if !api.engine.activity_exists(&activity_arn).await? {
        return Err(ApiError::no_activity(&activity_arn));
    }
    let taken = api.engine.take(&activity_arn, input.worker_name.as_deref(), POLL).await?;
    Ok(taken.map_or_else(GetActivityTaskOutput::default, |task| GetActivityTaskOutput {
        task_token: Some(task.token.as_str().to_owned()),
        input: Some(task.input),
    }))
}

/// The ARN a request gives.
fn checked(arn: &Option<String>) -> Result<String, ApiError> {
    let mut check = Check::new();
    let activity_arn = check.required("activityArn", arn, 1, 256);
    check.done()?;
    arn::parse(&activity_arn, Kind::Activity)?;
    Ok(activity_arn)
}

async fn named(api: &Api, arn: &Option<String>) -> Result<ActivityRecord, ApiError> {
    let activity_arn = checked(arn)?;
    api.engine.store().activity(&activity_arn).await?.ok_or_else(|| ApiError::no_activity(&activity_arn))
}

fn wire(record: ActivityRecord) -> Activity {
    Activity { activity_arn: record.arn, name: record.name, creation_date: record.created_at.epoch_seconds() }
}
