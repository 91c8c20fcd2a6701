//! What this binary can run, by name.

use futures::future::BoxFuture;
use serde_json::Value;

use super::{Finish, JobContext, JobError};
use crate::jobs;
use crate::lake::Lake;

/// The body of a job.
pub type JobRun = for<'a> fn(&'a JobContext) -> BoxFuture<'a, Result<Finish, JobError>>;

/// A job: a program for one attempt of a task, in its own process.
#[derive(Clone, Copy, Debug)]
pub struct JobDefinition {
    /// Its name, without the environment's prefix (`daily-prices-compaction`).
    pub name: &'static str,
    /// One sentence for people.
    pub summary: &'static str,
    /// The arguments it takes, without dashes.
    pub arguments: &'static [&'static str],
    /// Its body.
    pub run: JobRun,
}

/// The body of a function: the lake and the payload in, the result out.
pub type FunctionRun = fn(Lake, Value) -> BoxFuture<'static, Result<Value, JobError>>;

/// A function: short, runs inside the worker. Its failure's code is the error's name.
#[derive(Clone, Copy, Debug)]
pub struct FunctionDefinition {
    /// Its name, without the environment's prefix.
    pub name: &'static str,
    /// One sentence for people.
    pub summary: &'static str,
    /// Its body.
    pub run: FunctionRun,
}

/// All jobs.
pub fn jobs() -> &'static [JobDefinition] {
    jobs::JOBS
}

/// The job of a name.
pub fn job(name: &str) -> Option<&'static JobDefinition> {
    jobs().iter().find(|job| job.name == name)
}

/// The names of the jobs that can have their SQL run by Spark.
pub fn spark_jobs() -> &'static [&'static str] {
    jobs::ON_SPARK
}

/// Whether the job of a name can have its SQL run by Spark.
pub fn runs_on_spark(name: &str) -> bool {
    spark_jobs().contains(&name)
}

/// All functions.
pub fn functions() -> &'static [FunctionDefinition] {
    jobs::FUNCTIONS
}

/// The function of a name.
pub fn function(name: &str) -> Option<&'static FunctionDefinition> {
    functions().iter().find(|function| function.name == name)
}
