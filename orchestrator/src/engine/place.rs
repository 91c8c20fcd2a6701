//! Where a Glue job, crawler or Lambda function of a name runs: here on a worker, or on AWS.
//!
//! An explicit entry of a sheet's `[bindings]` decides; else the worker's registration, which is an activity of the same
//! name; else AWS, if this server is told to call it.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use super::error::Error;
use super::{Engine, Inner};

/// An explicit entry of `[bindings]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A local worker's, whether or not one has registered yet.
    Worker,
    /// AWS Glue's, whether or not a worker has registered one of the name.
    Glue,
    /// That of a local worker with a Spark endpoint, whether or not one has registered yet. Jobs only.
    Spark,
}

/// What the activity of a job with its SQL on Spark is called after the job's name.
pub const ON_SPARK: &str = ".spark";

/// Where something runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a worker: the ARN of its activity.
    Worker(String),
    /// On AWS Glue.
    Glue,
    /// Nowhere.
    Nowhere,
}

/// The entries of all sheets, by pipeline.
#[derive(Default)]
pub(super) struct Bindings(RwLock<BTreeMap<String, BTreeMap<String, Binding>>>);

impl Bindings {
    /// What a name is bound to. Pipelines that disagree are a mistake: the first by name decides, always.
    fn of(&self, name: &str) -> Option<Binding> {
        self.0.read().values().find_map(|names| names.get(name).copied())
    }
}

impl Engine {
    /// Binds Glue jobs, crawlers and functions for a pipeline, in place of what was bound for it before.
    pub fn bind(&self, pipeline: &str, names: impl IntoIterator<Item = (String, Binding)>) {
        self.0.bindings.0.write().insert(pipeline.to_owned(), names.into_iter().collect());
    }

    /// Where a Glue job or crawler runs.
    pub async fn place_of_glue(&self, name: &str) -> Result<Place, Error> {
        place_of_glue(&self.0, name).await
    }
}

/// Where a Glue job or crawler runs.
pub(super) async fn place_of_glue(inner: &Inner, name: &str) -> Result<Place, Error> {
    match inner.bindings.of(name) {
        Some(Binding::Glue) => return Ok(Place::Glue),
        Some(Binding::Spark) => return Ok(Place::Worker(activity_arn(inner, &format!("{name}{ON_SPARK}")))),
        Some(Binding::Worker) | None => {}
    }
    Ok(match worker_queue(inner, name).await? {
        Some(queue) => Place::Worker(queue),
        None if inner.config.aws_glue && !name.is_empty() => Place::Glue,
        None => Place::Nowhere,
    })
}

/// The queue of the workers that serve a name, if any are bound to it or have registered.
pub(super) async fn worker_queue(inner: &Inner, name: &str) -> Result<Option<String>, Error> {
    if name.is_empty() {
        return Ok(None);
    }
    let arn = activity_arn(inner, name);
    let bound = inner.bindings.of(name) == Some(Binding::Worker);
    let bound = bound || inner.activities.exists(&*inner.store, &arn).await?;
    Ok(bound.then_some(arn))
}

fn activity_arn(inner: &Inner, name: &str) -> String {
    format!("arn:aws:states:{}:{}:activity:{name}", inner.config.region, inner.config.account)
}
