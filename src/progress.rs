//! What `stepwell up` shows while it works: a line per step and per day, and how to go on.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use orchestrator::engine::Engine;
use orchestrator::pipeline::{ActionError, Actions};
use orchestrator::store::{ExecutionRecord, ExecutionStatus, HistoryQuery, LedgerRow, Outcome};

/// How often a waiting line is redrawn although no hint came: the elapsed time moves on.
const REDRAW: Duration = Duration::from_millis(500);

/// What became of the sample days.
#[derive(Debug, Default)]
pub struct DaysOutcome {
    /// In, or rightly skipped.
    pub done: usize,
    /// Not in.
    pub failed: usize,
    /// From the first start of a run to its end.
    pub first_after: Option<Duration>,
}

fn spinner(bars: &MultiProgress, label: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    let style = ProgressStyle::with_template("  {spinner} {prefix}  {msg}").expect("the template is ours");
    bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
    bar.set_prefix(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Shows one step while it runs.
pub async fn step<T>(label: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let bars = MultiProgress::new();
    let bar = spinner(&bars, label);
    let started = Instant::now();
    let done = work.await;
    bar.finish_and_clear();
    if done.is_ok() {
        say(&format!("  ✓ {label} ({:.1} s)", started.elapsed().as_secs_f64()));
    }
    done
}

/// Runs the pipeline for each of `days` that is not in yet, one after the other, and shows how each goes.
pub async fn run_days(
    engine: &Engine,
    actions: &Actions,
    pipeline: &str,
    days: &[String],
) -> anyhow::Result<DaysOutcome> {
    let mut outcome = DaysOutcome::default();
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(outcome) };
    let ledger = engine.store().ledger(pipeline, first, last).await?;
    let ledger: BTreeMap<&str, &LedgerRow> = ledger.iter().map(|row| (row.partition.as_str(), row)).collect();
    let bars = MultiProgress::new();
    for day in days {
        let known = ledger.get(day.as_str()).map(|row| row.outcome);
        if matches!(known, Some(Outcome::Succeeded | Outcome::Skipped)) {
            say(&format!("  ✓ {pipeline} {day}  is in"));
            outcome.done += 1;
            continue;
        }
        let started = Instant::now();
        let arn = match actions.run(pipeline, day, false, "up").await {
            Ok(arn) => arn,
            // A run that an `up` before this one left behind goes on by itself.
            Err(ActionError::Busy { execution_arn, .. }) => execution_arn,
            Err(error) => return Err(error).with_context(|| format!("cannot run `{pipeline}` for {day}")),
        };
        let bar = spinner(&bars, &format!("{pipeline} {day}"));
        let record = follow(engine, &arn, &bar, started).await?;
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        if record.status == ExecutionStatus::Succeeded {
            outcome.done += 1;
            outcome.first_after.get_or_insert(started.elapsed());
            let rows = engine.store().ledger(pipeline, day, day).await?.first().and_then(|row| row.rows);
            let rows = rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
            say(&format!("  ✓ {pipeline} {day}  succeeded in {seconds:.1} s{rows}"));
        } else {
            outcome.failed += 1;
            let error = record.error.as_deref().unwrap_or("no error given");
            say(&format!("  ✕ {pipeline} {day}  {} after {seconds:.1} s: {error}", record.status.as_str()));
        }
    }
    Ok(outcome)
}

/// Waits for the end of an execution and shows the state it is in.
async fn follow(engine: &Engine, arn: &str, bar: &ProgressBar, started: Instant) -> anyhow::Result<ExecutionRecord> {
    let mut changes = engine.changes();
    loop {
        let record = engine.store().execution(arn).await?.with_context(|| format!("`{arn}` is gone"))?;
        if record.status != ExecutionStatus::Running {
            return Ok(record);
        }
        let newest = HistoryQuery { reverse: true, after: None, limit: 20 };
        let events = engine.store().history(record.id, &newest).await?;
        let entered = events.iter().find_map(asl_state);
        let state = entered.unwrap_or_default();
        bar.set_message(format!("{state}  {:.0} s", started.elapsed().as_secs_f64()));
        // A hint, a missed hint or the pause: each is a reason to look again.
        let _ = tokio::time::timeout(REDRAW, changes.recv()).await;
    }
}

/// The state an event enters.
fn asl_state(event: &orchestrator::Event) -> Option<String> {
    let shown = orchestrator::project(event, false)?;
    Some(shown["stateEnteredEventDetails"]["name"].as_str()?.to_owned())
}

/// The address, and what to do next.
pub fn say_how_to_go_on(address: &str, pipeline: &str, waiting: &[String], outcome: &DaysOutcome, data: &Path) {
    let next = waiting.first().map_or("2013-02-15", String::as_str);
    let state =
        if outcome.failed == 0 { "ready" } else { "running, but not every sample day is in: see the dashboard" };
    say(&format!(
        "
  Stepwell is {state}.

  Dashboard        http://{address}/
  This pipeline    http://{address}/pipelines/{pipeline}
  Run another day  curl -X POST http://{address}/api/v1/pipelines/{pipeline}/runs \\
                     -H 'content-type: application/json' -d '{{\"ds\": \"{next}\"}}'
  AWS clients      aws stepfunctions list-state-machines --endpoint-url http://{address} --region us-east-1
  Data             {}

  Ctrl-C stops everything; `stepwell up` finds it again as it was.
",
        data.display()
    ));
}

/// Standard output is this command's face: results of a person's command, not logs.
#[expect(clippy::print_stdout, reason = "what a person asked to see")]
fn say(text: &str) {
    println!("{text}");
}
