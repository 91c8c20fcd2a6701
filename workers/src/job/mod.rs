//! Jobs and functions: what a worker can run, how arguments come in and how results go out.
//!
//! A job runs in its own process (`stepwell job NAME --ds …`, [`main_job`]) and ends with a [`JobResult`] as the last line
//! of standard output; a function runs inside the worker, JSON in, JSON out. Both are found by name in the registries
//! [`jobs`] and [`functions`].

mod arguments;
mod context;
mod error;
mod process;
mod quality;
mod registry;
mod result;
mod run;
mod stop;

pub(crate) use arguments::parse_date;
pub use arguments::{Arguments, COMMON as COMMON_ARGUMENTS};
#[cfg(test)]
pub(crate) use context::test_context;
pub use context::{Finish, JobContext};
pub(crate) use error::coded;
pub use error::{Code, JobError};
pub use process::{LOG_FILTER, Usage, main_job, usage};
pub use quality::{QualityCheck, QualityStatus, Severity};
pub use registry::{
    FunctionDefinition, FunctionRun, JobDefinition, JobRun, function, functions, job, jobs, runs_on_spark, spark_jobs,
};
pub use result::{JobResult, JobStatus, Output};
pub use run::{run_job, run_job_on, run_job_on_spark};
pub(crate) use stop::graceful_stop;
