//! AWS Glue: job runs and crawlers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_glue::config::Builder;
use aws_sdk_glue::types::{ExecutionClass, NotificationProperty, WorkerType};
use aws_smithy_types::DateTime;
use aws_smithy_types::retry::RetryConfig;
use tokio::sync::OnceCell;

use crate::{Config, Error, Settings};

/// Job runs on one page of `GetJobRuns`, its maximum.
const RUNS_PER_PAGE: i32 = 200;

/// What `StartJobRun` takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartJobRun {
    /// `JobName`.
    pub job_name: String,
    /// `JobRunId`: the run to run again.
    pub previous_run_id: Option<String>,
    /// `Arguments`.
    pub arguments: BTreeMap<String, String>,
    /// `AllocatedCapacity`, of old jobs.
    pub allocated_capacity: Option<i32>,
    /// `MaxCapacity`, in DPUs.
    pub max_capacity: Option<f64>,
    /// `Timeout`.
    pub timeout_minutes: Option<i32>,
    /// `SecurityConfiguration`.
    pub security_configuration: Option<String>,
    /// `NotificationProperty.NotifyDelayAfter`.
    pub notify_delay_after_minutes: Option<i32>,
    /// `WorkerType`.
    pub worker_type: Option<String>,
    /// `NumberOfWorkers`.
    pub number_of_workers: Option<i32>,
    /// `ExecutionClass`.
    pub execution_class: Option<String>,
    /// `JobRunQueuingEnabled`.
    pub queuing: Option<bool>,
    /// `ExecutionRoleSessionPolicy`.
    pub session_policy: Option<String>,
}

/// A job run, as `GetJobRun` describes it. Instants are epoch milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names of the API's reference")]
pub struct JobRun {
    pub id: String,
    pub attempt: i32,
    pub previous_run_id: Option<String>,
    pub trigger_name: Option<String>,
    pub job_name: String,
    pub job_mode: Option<String>,
    pub job_run_queuing_enabled: Option<bool>,
    pub started_on: Option<i64>,
    pub last_modified_on: Option<i64>,
    pub completed_on: Option<i64>,
    /// `STARTING`, `RUNNING`, `STOPPING`, `STOPPED`, `SUCCEEDED`, `FAILED`, `TIMEOUT`, `ERROR`, `WAITING`, `EXPIRED`.
    pub job_run_state: String,
    pub arguments: BTreeMap<String, String>,
    pub error_message: Option<String>,
    /// (job name, run id).
    pub predecessor_runs: Vec<(String, String)>,
    pub allocated_capacity: i32,
    /// Seconds.
    pub execution_time: i32,
    /// Minutes.
    pub timeout: Option<i32>,
    pub max_capacity: Option<f64>,
    pub worker_type: Option<String>,
    pub number_of_workers: Option<i32>,
    pub security_configuration: Option<String>,
    pub log_group_name: Option<String>,
    pub glue_version: Option<String>,
    pub dpu_seconds: Option<f64>,
    pub execution_class: Option<String>,
    pub maintenance_window: Option<String>,
    pub profile_name: Option<String>,
    pub state_detail: Option<String>,
}

/// A crawler, as `GetCrawler` describes it. Instants are epoch milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names of the API's reference")]
pub struct Crawler {
    pub name: String,
    /// `READY`, `RUNNING`, `STOPPING`.
    pub state: String,
    pub role: Option<String>,
    pub database_name: Option<String>,
    pub description: Option<String>,
    pub table_prefix: Option<String>,
    /// Milliseconds.
    pub crawl_elapsed_time: i64,
    pub creation_time: Option<i64>,
    pub last_updated: Option<i64>,
    pub version: i64,
    pub last_crawl: Option<LastCrawl>,
}

/// A crawler's last crawl.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names of the API's reference")]
pub struct LastCrawl {
    /// `SUCCEEDED`, `CANCELLED`, `FAILED`.
    pub status: String,
    pub error_message: Option<String>,
    pub log_group: Option<String>,
    pub log_stream: Option<String>,
    pub message_prefix: Option<String>,
    pub start_time: Option<i64>,
}

/// Whoever runs jobs and crawlers.
#[async_trait]
pub trait GlueJobs: Send + Sync {
    /// Starts a run: its id. Sent once: whether a call without an answer started one is for the caller to find out.
    async fn start_job_run(&self, start: &StartJobRun) -> Result<String, Error>;
    /// A run.
    async fn job_run(&self, job: &str, run: &str) -> Result<JobRun, Error>;
    /// Runs of a job, newest first, from where the page before ended: and where this one ends, if there are more.
    async fn job_runs(&self, job: &str, page: Option<String>) -> Result<(Vec<JobRun>, Option<String>), Error>;
    /// Asks for a run to be stopped; it is once its state says so.
    async fn stop_job_run(&self, job: &str, run: &str) -> Result<(), Error>;
    /// Starts a crawl.
    async fn start_crawler(&self, name: &str) -> Result<(), Error>;
    /// A crawler.
    async fn crawler(&self, name: &str) -> Result<Crawler, Error>;
}

/// The service. The client is made at its first call, so that a server that never calls it pays nothing.
#[derive(Debug)]
pub struct Glue {
    settings: Settings,
    client: OnceCell<aws_sdk_glue::Client>,
}

impl Glue {
    /// A client, some day.
    pub fn new(settings: Settings) -> Self {
        Self { settings, client: OnceCell::new() }
    }

    async fn client(&self) -> &aws_sdk_glue::Client {
        let connect = || async { aws_sdk_glue::Client::new(&Config::load(&self.settings).await.0) };
        self.client.get_or_init(connect).await
    }
}

#[async_trait]
impl GlueJobs for Glue {
    async fn start_job_run(&self, start: &StartJobRun) -> Result<String, Error> {
        let notification = start
            .notify_delay_after_minutes
            .map(|minutes| NotificationProperty::builder().notify_delay_after(minutes).build());
        #[allow(deprecated, reason = "jobs of old Glue versions have nothing else")]
        let call = self
            .client()
            .await
            .start_job_run()
            .set_allocated_capacity(start.allocated_capacity)
            .job_name(&start.job_name)
            .set_job_run_id(start.previous_run_id.clone())
            .set_arguments(Some(start.arguments.clone().into_iter().collect()))
            .set_max_capacity(start.max_capacity)
            .set_timeout(start.timeout_minutes)
            .set_security_configuration(start.security_configuration.clone())
            .set_notification_property(notification)
            .set_worker_type(start.worker_type.as_deref().map(WorkerType::from))
            .set_number_of_workers(start.number_of_workers)
            .set_execution_class(start.execution_class.as_deref().map(ExecutionClass::from))
            .set_job_run_queuing_enabled(start.queuing)
            .set_execution_role_session_policy(start.session_policy.clone());
        // A repeated start is a second run.
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let answer = call.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| Error::of("AWSGlue", "StartJobRun", error))?;
        Ok(answer.job_run_id.unwrap_or_default())
    }

    async fn job_run(&self, job: &str, run: &str) -> Result<JobRun, Error> {
        let answer = self.client().await.get_job_run().job_name(job).run_id(run).send().await;
        let answer = answer.map_err(|error| Error::of("AWSGlue", "GetJobRun", error))?;
        Ok(answer.job_run.map(job_run).unwrap_or_default())
    }

    async fn job_runs(&self, job: &str, page: Option<String>) -> Result<(Vec<JobRun>, Option<String>), Error> {
        let call = self.client().await.get_job_runs().job_name(job).max_results(RUNS_PER_PAGE).set_next_token(page);
        let answer = call.send().await.map_err(|error| Error::of("AWSGlue", "GetJobRuns", error))?;
        let more = answer.next_token.filter(|token| !token.is_empty());
        Ok((answer.job_runs.unwrap_or_default().into_iter().map(job_run).collect(), more))
    }

    async fn stop_job_run(&self, job: &str, run: &str) -> Result<(), Error> {
        let answer = self.client().await.batch_stop_job_run().job_name(job).job_run_ids(run).send().await;
        let answer = answer.map_err(|error| Error::of("AWSGlue", "BatchStopJobRun", error))?;
        let Some(refusal) = answer.errors().first() else { return Ok(()) };
        let detail = refusal.error_detail();
        Err(Error::Refused {
            service: "AWSGlue",
            call: "BatchStopJobRun",
            code: detail.and_then(|detail| detail.error_code()).unwrap_or("Unknown").to_owned(),
            message: detail.and_then(|detail| detail.error_message()).unwrap_or("no message").to_owned(),
            status: 400,
        })
    }

    async fn start_crawler(&self, name: &str) -> Result<(), Error> {
        let answer = self.client().await.start_crawler().name(name).send().await;
        answer.map(drop).map_err(|error| Error::of("Glue", "StartCrawler", error))
    }

    async fn crawler(&self, name: &str) -> Result<Crawler, Error> {
        let answer = self.client().await.get_crawler().name(name).send().await;
        let answer = answer.map_err(|error| Error::of("Glue", "GetCrawler", error))?;
        Ok(answer.crawler.map(crawler).unwrap_or_default())
    }
}

fn millis(instant: Option<DateTime>) -> Option<i64> {
    instant.and_then(|instant| instant.to_millis().ok())
}

fn job_run(run: aws_sdk_glue::types::JobRun) -> JobRun {
    #[allow(deprecated, reason = "part of the answer all the same")]
    let allocated_capacity = run.allocated_capacity;
    let predecessors = run.predecessor_runs.unwrap_or_default().into_iter();
    JobRun {
        id: run.id.unwrap_or_default(),
        attempt: run.attempt,
        previous_run_id: run.previous_run_id,
        trigger_name: run.trigger_name,
        job_name: run.job_name.unwrap_or_default(),
        job_mode: run.job_mode.map(|mode| mode.as_str().to_owned()),
        job_run_queuing_enabled: run.job_run_queuing_enabled,
        started_on: millis(run.started_on),
        last_modified_on: millis(run.last_modified_on),
        completed_on: millis(run.completed_on),
        job_run_state: run.job_run_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        arguments: run.arguments.unwrap_or_default().into_iter().collect(),
        error_message: run.error_message,
        predecessor_runs: predecessors
            .map(|run| (run.job_name.unwrap_or_default(), run.run_id.unwrap_or_default()))
            .collect(),
        allocated_capacity,
        execution_time: run.execution_time,
        timeout: run.timeout,
        max_capacity: run.max_capacity,
        worker_type: run.worker_type.map(|kind| kind.as_str().to_owned()),
        number_of_workers: run.number_of_workers,
        security_configuration: run.security_configuration,
        log_group_name: run.log_group_name,
        glue_version: run.glue_version,
        dpu_seconds: run.dpu_seconds,
        execution_class: run.execution_class.map(|class| class.as_str().to_owned()),
        maintenance_window: run.maintenance_window,
        profile_name: run.profile_name,
        state_detail: run.state_detail,
    }
}

fn crawler(crawler: aws_sdk_glue::types::Crawler) -> Crawler {
    let last = |last: aws_sdk_glue::types::LastCrawlInfo| LastCrawl {
        status: last.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        error_message: last.error_message,
        log_group: last.log_group,
        log_stream: last.log_stream,
        message_prefix: last.message_prefix,
        start_time: millis(last.start_time),
    };
    Crawler {
        name: crawler.name.unwrap_or_default(),
        state: crawler.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        role: crawler.role,
        database_name: crawler.database_name,
        description: crawler.description,
        table_prefix: crawler.table_prefix,
        crawl_elapsed_time: crawler.crawl_elapsed_time,
        creation_time: millis(crawler.creation_time),
        last_updated: millis(crawler.last_updated),
        version: crawler.version,
        last_crawl: crawler.last_crawl.map(last),
    }
}
