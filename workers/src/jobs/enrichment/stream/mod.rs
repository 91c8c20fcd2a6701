//! The stream: follows silver commit by commit, in batches, with a checkpoint.
//!
//! A batch is planned (`offsets/<id>.json`), computed from silver at its last version, checked, written to the three tables
//! with its number as transaction id, and recorded (`commits/<id>.json`). Whatever it dies between, the next run repeats the
//! planned batch: the dates it touched are replaced as a whole, and tables that carry its number already are left alone.
//! One run at a time works on a checkpoint.
//!
//! `--trigger=available_now` (default) does what is there and ends; `--trigger=continuous` looks for more every
//! `--poll_secs`. SIGTERM ends it between two batches.
//!
//! Source: pipelines.md 4.4.

mod batch;
mod checkpoint;
mod plan;
mod wait;

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::batch::{Runner, Totals};
use self::wait::wait_for_silver;
use super::gold::Scope;
use super::maintenance;
use super::settings::{self, GoldSettings, SilverWait};
use crate::catalog::Catalog;
use crate::job::{Code, Finish, JobContext, JobDefinition, JobError, graceful_stop, parse_date};

/// The job `enrichment-gold-stream`.
pub const GOLD_STREAM: JobDefinition = JobDefinition {
    name: "enrichment-gold-stream",
    summary: "Follows the silver table in batches and keeps the three enrichment tables up to date.",
    arguments: &[
        "environment",
        "root",
        "ds",
        "trigger",
        "poll_secs",
        "run_secs",
        "max_batches",
        "max_commits_per_batch",
        "force_dates",
        "gold_read_path",
        "gold_write_path_spend_summary",
        "gold_write_path_product_usage_metrics",
        "gold_write_path_high_risk_txns",
        "gold_check_point_path",
        "gold_bad_records_path",
        "log_path",
        "wait_retries",
        "wait_secs",
        "risk_ratio_threshold",
        "risk_level_value",
        "high_risk_only",
        "catalog_database",
        "optimize",
        "vacuum_hours",
        "allow_short_retention",
        "target_file_mb",
    ],
    run: start,
};

/// A line at least this often while nothing happens.
const STILL_HERE_EVERY: Duration = Duration::from_secs(60);

/// When a run ends.
#[derive(Clone, Copy, Debug)]
struct Trigger {
    /// Looks for more when there is nothing left; otherwise ends then.
    continuous: bool,
    poll: Duration,
    /// Ends after the batch in which this has passed; zero means never.
    run_for: Duration,
    batches_max: u64,
}

impl Trigger {
    fn of(context: &JobContext) -> Result<Trigger, JobError> {
        let arguments = &context.arguments;
        let continuous = match arguments.text("trigger", "available_now") {
            "available_now" => false,
            "continuous" => true,
            other => {
                let message = format!("--trigger is `{other}`; give available_now or continuous");
                return Err(JobError::arguments(message));
            }
        };
        Ok(Trigger {
            continuous,
            poll: settings::seconds(arguments, "poll_secs", 5.0)?,
            run_for: settings::seconds(arguments, "run_secs", 0.0)?,
            batches_max: arguments.number("max_batches", u64::MAX)?,
        })
    }
}

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let arguments = &context.arguments;
    let trigger = Trigger::of(context)?;
    let gold_settings = GoldSettings::of(context)?;
    let catalog = Catalog::from_env().await?;
    let commits_max = arguments.number("max_commits_per_batch", 1u64)?.max(1);
    let forced = forced_dates(context)?;
    let optimize = arguments.flag("optimize", true)?;
    settings::vacuum_hours(arguments)?;
    let wait = SilverWait::of(arguments)?;
    settings::check_gold_apart(context, Some(&settings::silver(context)?))?;
    let checkpoint = settings::checkpoint(context)?;
    let stop = graceful_stop();

    let lock = context.lock_folder(&checkpoint).await?;
    let began = checkpoint::Checkpoint::open(checkpoint).await?;
    let Some(silver) = wait_for_silver(context, wait, began.has_commits(), &stop).await? else {
        return Ok(Finish::succeeded("stopped while waiting for silver"));
    };
    let mut runner = Runner::new(context, silver, began, gold_settings, commits_max, lock).await?;
    let set_aside = runner.bad_records_uri();
    let ended = follow(&mut runner, &catalog, trigger, forced, &stop).await;
    runner.tables.report(context);
    report(context, &runner.totals, &set_aside, stop.is_cancelled());
    // Whatever became of it: batches before a failure are published, and an earlier run may not have come to that.
    let registration = runner.tables.register(context, &catalog).await;
    ended?;
    if optimize && !stop.is_cancelled() {
        for table in &super::columns::GOLD_TABLES {
            maintenance::maintain(context, table).await?;
        }
    }
    Ok(registration.finish(finish(&runner, stop.is_cancelled())))
}

/// Batch after batch until the trigger says that it is over. A run that is not about to end registers its tables after its
/// first batch; if that fails it is a warning, and repeated at the end.
async fn follow(
    runner: &mut Runner<'_>,
    catalog: &Catalog,
    trigger: Trigger,
    forced: Scope,
    stop: &CancellationToken,
) -> Result<(), JobError> {
    let began = Instant::now();
    let mut said_at = Instant::now();
    let until = if trigger.continuous { None } else { Some(runner.silver_version()) };
    let mut forced = Some(forced).filter(|scope| !scope.is_empty());
    while runner.totals.batches < trigger.batches_max && !stop.is_cancelled() {
        if !trigger.run_for.is_zero() && began.elapsed() >= trigger.run_for {
            tracing::info!("Ending after {} s, as --run_secs says", began.elapsed().as_secs());
            break;
        }
        if runner.next(until).await? {
            said_at = Instant::now();
            if trigger.continuous && runner.totals.batches == 1 {
                runner.register(catalog).await;
            }
            continue;
        }
        if let Some(forced) = forced.take() {
            runner.force(forced).await?;
            continue;
        }
        if !trigger.continuous {
            break;
        }
        if said_at.elapsed() >= STILL_HERE_EVERY {
            said_at = Instant::now();
            let (done, version) = (runner.totals.batches, runner.silver_version());
            tracing::info!("Waiting for a silver version above {version}; {done} batch(es) done by this run");
        }
        tokio::select! {
            () = tokio::time::sleep(trigger.poll) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

/// Dates recomputed although nothing touched them: a reprocess.
fn forced_dates(context: &JobContext) -> Result<Scope, JobError> {
    let mut scope = Scope::default();
    for text in context.arguments.text("force_dates", "").split(',').map(str::trim).filter(|text| !text.is_empty()) {
        if parse_date(text).is_none() {
            let message =
                format!("--force_dates holds `{text}`; give calendar dates as YYYY-MM-DD, separated by commas");
            return Err(JobError::arguments(message));
        }
        scope.dates.insert(text.to_owned());
    }
    Ok(scope)
}

fn report(context: &JobContext, totals: &Totals, set_aside: &str, stopped: bool) {
    context.metric("batches", totals.batches);
    context.metric("batches_empty", totals.empty);
    context.metric("batches_skipped", totals.skipped);
    context.metric("silver_version", totals.silver_to);
    context.metric("dates_touched", totals.dates.len());
    context.metric("stopped", stopped);
    if totals.bad_rows > 0 {
        let rows = totals.bad_rows;
        context.warn(format!("{rows} row(s) of silver cannot be used and are set aside in `{set_aside}`"));
    }
    if let Some(last) = &totals.last {
        context.metric("last_batch", json!(last));
        if last.counts.mixed_currency_groups > 0 {
            let groups = last.counts.mixed_currency_groups;
            context
                .warn(format!("{groups} user(s) spent in several currencies on a day: amounts are added as they are"));
        }
    }
    totals.checks.iter().cloned().for_each(|check| context.quality(check));
}

fn finish(runner: &Runner<'_>, stopped: bool) -> Finish {
    let totals = &runner.totals;
    if totals.batches == 0 && !stopped {
        let message = format!("silver is at version {}, which the tables have", runner.silver_version());
        return Finish::skipped(Code::IdempotentSkip, message);
    }
    let how = if stopped { ", stopped on request" } else { "" };
    let dates = totals.dates.len();
    Finish::succeeded(format!(
        "{} batch(es) up to silver version {}, {dates} date(s){how}",
        totals.batches, totals.silver_to
    ))
}
