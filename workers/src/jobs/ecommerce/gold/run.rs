//! One run of a gold table.

use std::time::Instant;

use chrono::Utc;
use futures::future::try_join_all;
use futures::try_join;

use super::super::quality::{Facts, InputCounts, Report, count_input, counts_in_little_memory, judge};
use super::super::settings::Settings;
use super::super::table::{Layer, Source, columns};
use super::super::window::Window;
use super::record::{RunRecord, report_stale};
use super::{GoldJob, input, publish};
use crate::job::{Code, Finish, JobContext, JobError};
use crate::lake::Folder;
use crate::lake::delta::{Delta, Written};
use crate::query::{Query, Value};

/// Makes a gold table for the window of the arguments.
///
/// # Errors
/// `PRE_VALIDATION_FAILED`, `SILVER_INPUT_MISSING`, `SCHEMA_VALIDATION_FAILED`, `DQ_FAILED`, and those of the store. Nothing
/// is published then.
pub(super) async fn run(context: &JobContext, job: &GoldJob) -> Result<Finish, JobError> {
    let began = Instant::now();
    let window = Window::of(&context.arguments, job.window.0, job.window.1)?;
    let settings = Settings::of(context)?;
    let table = job.table.name;
    let folder = settings.table(Layer::Gold, table);
    context.lock_folder(&folder).await?;
    report_stale(context, &settings, table, settings.processing_timeout).await?;
    let silver = open_silver(&settings, job).await?;
    let record = RunRecord::begin(context, &settings, table, window, &silver).await?;
    let work = Work { context, settings: &settings, job, window, folder };
    match work.make(&silver, began).await {
        Ok(None) => {
            record.succeed(None).await?;
            let message = format!("no orders from {} to {}; {table} stays as it is", window.from, window.to);
            Ok(Finish::skipped(Code::EmptyWindow, message))
        }
        Ok(Some(published)) => {
            record.succeed(Some((&published.gold, &published.written))).await?;
            context.delta_output(&published.gold, &published.written);
            let message = format!(
                "{} rows of {table} from orders of {} to {}, checks {}",
                published.rows,
                window.from,
                window.to,
                published.report.status()
            );
            Ok(Finish::succeeded(message))
        }
        Err(error) => {
            // The failure is what the run reports; that its record stays in `processing` is found by the next one.
            if let Err(second) = record.fail(&error).await {
                tracing::warn!("Cannot note that the run failed: {}", second.chain());
            }
            Err(error)
        }
    }
}

/// The silver tables that a job reads.
async fn open_silver(settings: &Settings, job: &GoldJob) -> Result<Vec<(&'static Source, Delta)>, JobError> {
    let folders: Vec<Folder> = job.sources.iter().map(|source| settings.table(Layer::Silver, source.name)).collect();
    let opened = try_join_all(folders.iter().map(Delta::open)).await?;
    let mut silver = Vec::new();
    let mut missing = Vec::new();
    for ((source, folder), table) in job.sources.iter().zip(&folders).zip(opened) {
        match table {
            Some(table) => silver.push((*source, table)),
            None => missing.push(format!("`{}`", folder.uri())),
        }
    }
    if missing.is_empty() {
        return Ok(silver);
    }
    let message = format!("no Delta table at {}; run ecommerce-bronze and ecommerce-silver first", missing.join(", "));
    Err(JobError::new(Code::SilverInputMissing, message))
}

struct Work<'a> {
    context: &'a JobContext,
    settings: &'a Settings,
    job: &'a GoldJob,
    window: Window,
    folder: Folder,
}

struct Published {
    gold: Delta,
    written: Written,
    rows: u64,
    report: Report,
}

impl Work<'_> {
    /// Computes, checks and publishes; `None` if the window has no orders.
    async fn make(&self, silver: &[(&'static Source, Delta)], began: Instant) -> Result<Option<Published>, JobError> {
        let (context, job) = (self.context, self.job);
        let processed_at = Utc::now();
        let query = Query::new(context)?;
        for (source, table) in silver {
            input::register(&query, source, table).await?;
        }
        let (query, orders) = input::register_window(query, job, self.window).await?;
        context.metric("window_orders", orders);
        if orders == 0 {
            return Ok(None);
        }
        let parameters = input::parameters(self.window);
        let stored = Delta::open(&self.folder).await?;
        match &stored {
            Some(stored) => query.delta("stored", stored).await?,
            None => query.rows("stored", &columns(job.table.fields), Vec::new()).await?,
        }
        let many_orders = input::are_many(orders)?;
        let beside = counts_in_little_memory(&query, job, many_orders).await?;
        let input = count_input(&query, job, many_orders, &parameters);
        let result = self.result(&query, &parameters);
        let (rows, input) = match beside {
            // The one fills in where the other leaves cores idle.
            true => try_join!(result, input)?,
            false => (result.await?, input.await?),
        };
        let report = self.check(&query, stored.is_some(), many_orders, input, began).await?;
        let (gold, written) = publish::publish(context, &query, job, &self.folder, self.window, processed_at).await?;
        context.metric("rows", rows);
        context.metric("gold_version", written.version);
        Ok(Some(Published { gold, written, rows, report }))
    }

    /// Makes the table `result` known; its rows.
    async fn result(&self, query: &Query, parameters: &[(&str, Value)]) -> Result<u64, JobError> {
        for (name, statement) in self.job.bases {
            query.keep(name, statement, parameters).await?;
        }
        query.keep("result", self.job.statement, parameters).await
    }

    /// All checks of the table, written to `_dq/<run>.json` and reported.
    async fn check(
        &self,
        query: &Query,
        stored: bool,
        many_orders: bool,
        input: InputCounts,
        began: Instant,
    ) -> Result<Report, JobError> {
        let (context, job) = (self.context, self.job);
        let facts = Facts {
            job,
            window: self.window,
            stored,
            validate_schema: self.settings.schema_validation,
            run_seconds: began.elapsed().as_secs_f64(),
            timeout_seconds: self.settings.processing_timeout.as_secs_f64(),
            many_orders,
        };
        let report = judge(query, &facts, input, &input::parameters(self.window)).await?;
        report.tell(context);
        let name = format!("_dq/{}.json", context.run_id);
        self.folder.put(&name, report.to_json().to_string()).await?;
        context.metric("dq_report", self.folder.uri_of(&name));
        match report.refusal() {
            None => Ok(report),
            Some((code, why)) => {
                let message = format!("{} of {} is not published: {why}", job.table.name, self.window.to);
                Err(JobError::new(code, message))
            }
        }
    }
}
