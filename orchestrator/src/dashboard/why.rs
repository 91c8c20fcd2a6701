//! The why box: what went wrong and what helps, or what an execution waits for and since when.

use asl::TaskId;
use serde_json::Value;

use super::facts::Facts;
use super::failure::explain;
use super::figure::{self, Figure};
use super::log::{self, LineView};
use super::mark::Mark;
use super::moment::Took;
use super::remedy::{Remedy, remedy_of};
use super::visit::{Attempt, Visit, Visits};
use crate::store::{ExecutionRecord, ExecutionStatus, INTEGRATION_QUEUE, WorkerRecord};

/// Lines of the job's log in the box.
const LINES_MAX: usize = 8;

/// What the box says.
#[derive(Clone, Debug)]
pub enum Why {
    /// It did not end well.
    Failed(Box<FailedWhy>),
    /// It is open.
    Open(Vec<Waits>),
}

/// Why an execution failed.
#[derive(Clone, Debug)]
pub struct FailedWhy {
    /// How it ended.
    pub mark: Mark,
    /// The state that failed; `None` if the execution was ended from outside.
    pub state: Option<String>,
    /// The partition it failed for, where the execution makes several.
    pub place: Option<String>,
    /// The state's visit, for the link to its logs.
    pub visit: Option<u64>,
    /// The code: the job's own where the cause names one, else the error's name.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// How many attempts the state made.
    pub attempts: usize,
    /// The Fail state that ended the execution, where a Catcher led there.
    pub ended_by: Option<String>,
    /// Figures of the job's report.
    pub figures: Vec<Figure>,
    /// The last lines of the job's log.
    pub log: Vec<LineView>,
    /// What usually helps.
    pub remedy: Option<Remedy>,
}

/// What an open state waits for.
#[derive(Clone, Debug)]
pub struct Waits {
    /// The state.
    pub state: String,
    /// Which partition or iteration, where there are several.
    pub place: Option<String>,
    /// How it stands.
    pub mark: Mark,
    /// For what.
    pub text: String,
    /// For how long.
    pub since: Took,
    /// Whether somebody should do something about it.
    pub stuck: bool,
}

/// The box of an execution; `None` where there is nothing to explain.
pub fn why(facts: &Facts, visits: &Visits) -> Option<Why> {
    match facts.record.status {
        ExecutionStatus::Succeeded => None,
        ExecutionStatus::Running => {
            let waits: Vec<Waits> = visits.open_leaves().map(|(_, visit)| waits(facts, visits, visit)).collect();
            (!waits.is_empty()).then_some(Why::Open(waits))
        }
        ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => {
            Some(Why::Failed(Box::new(failed(facts, visits))))
        }
    }
}

/// See [`culprit_of`].
pub fn culprit(facts: &Facts, visits: &Visits) -> Option<usize> {
    culprit_of(&facts.record, visits)
}

/// The visit whose failure ended the execution: the task that failed, even where a Catcher led on to a Fail state.
pub fn culprit_of(record: &ExecutionRecord, visits: &Visits) -> Option<usize> {
    let failed_task = |visit: &Visit| visit.attempts.last().is_some_and(|attempt| attempt.mark.is_bad());
    let same_error = |visit: &Visit| visit.error.is_some() && visit.error == record.error;
    let find = |wanted: &dyn Fn(&Visit) -> bool| visits.list.iter().rposition(wanted);
    let own = |visit: &Visit| visit.mark.is_bad() && !matches!(visit.kind.as_str(), "Map" | "Parallel");
    find(&|visit| failed_task(visit) && same_error(visit))
        .or_else(|| find(&|visit| own(visit) && !visit.caught && visit.kind != "Fail"))
        .or_else(|| find(&failed_task))
        .or_else(|| find(&own))
}

fn failed(facts: &Facts, visits: &Visits) -> FailedWhy {
    let record = &facts.record;
    let mark = Mark::from(record.status);
    let visit = culprit(facts, visits).map(|index| &visits.list[index]).filter(|_| mark != Mark::Aborted);
    let error = visit.and_then(|visit| visit.error.clone()).or_else(|| record.error.clone());
    let cause = visit.and_then(|visit| visit.cause.clone()).or_else(|| record.cause.clone());
    let explained = explain(error.as_deref(), cause.as_deref());
    let task = visit.and_then(|visit| visit.attempts.last()).and_then(|attempt| attempt.task);
    let last = visits.list.last().filter(|last| last.kind == "Fail" && visit.is_some_and(|v| v.state != last.state));
    // A Fail state that could not even fail as it should has an error of its own.
    let ended_by = last.map(|last| match &record.error {
        Some(other) if Some(other) != error.as_ref() => format!("{} with {other}", last.state),
        _ => last.state.clone(),
    });
    FailedWhy {
        mark,
        state: visit.map(|visit| visit.state.clone()),
        place: visit
            .and_then(|visit| visits.partition_of(visit))
            .filter(|place| record.partition.as_ref() != Some(place)),
        visit: visit.filter(|visit| visit.kind == "Task").map(|visit| visit.entered_id),
        attempts: visit.map_or(0, |visit| visit.attempts.len()),
        ended_by,
        figures: task.map(|task| figures(facts, task)).filter(|f| !f.is_empty()).unwrap_or(explained.figures),
        log: task
            .map(|task| last_lines(facts, task))
            .filter(|l| !l.is_empty())
            .unwrap_or_else(|| said(&explained.lines)),
        remedy: remedy_of(&explained.code).or_else(|| error.as_deref().and_then(remedy_of)),
        code: explained.code,
        message: explained.message,
    }
}

fn last_lines(facts: &Facts, task: TaskId) -> Vec<LineView> {
    let lines = facts.logs.get(&task).map(Vec::as_slice).unwrap_or_default();
    log::lines(&lines[lines.len().saturating_sub(LINES_MAX)..])
}

/// Lines that only the cause has: those of a job that ended without a result.
fn said(lines: &[String]) -> Vec<LineView> {
    lines.iter().map(|line| LineView::of_text(line)).collect()
}

/// Figures of what a task's job reported.
pub fn figures(facts: &Facts, task: TaskId) -> Vec<Figure> {
    let report = facts.reports.iter().find(|report| report.task == task);
    report.map(|report| figure::of_result(&report.report)).unwrap_or_default()
}

fn waits(facts: &Facts, visits: &Visits, visit: &Visit) -> Waits {
    let now = facts.now;
    let state = visit.state.clone();
    let place =
        visit.iteration.map(|iteration| visits.partition_of(visit).unwrap_or_else(|| format!("iteration {iteration}")));
    let make = |mark, text, since, stuck| Waits { state, place, mark, text, since: Took::new(since, None, now), stuck };
    match (visit.attempts.last(), visit.due_at) {
        (Some(failed), Some(due_at)) if failed.ended_at.is_some() => {
            let text = format!(
                "attempt {} failed with {}; attempt {} starts {}",
                failed.number,
                explain(failed.error.as_deref(), failed.cause.as_deref()).code,
                failed.number + 1,
                super::moment::relative(now, due_at)
            );
            make(Mark::Waiting, text, failed.ended_at.unwrap_or(visit.entered_at), false)
        }
        (None, Some(due_at)) => {
            let text = format!("waits until {}", super::moment::full(due_at));
            make(Mark::Waiting, text, visit.entered_at, false)
        }
        (Some(attempt), _) if attempt.started_at.is_none() && attempt.ended_at.is_none() => {
            let (text, stuck) = queued(facts, attempt);
            make(Mark::Waiting, text, attempt.scheduled_at, stuck)
        }
        (Some(attempt), _) => {
            let runner = runner(facts, attempt);
            let text = match attempts_text(facts, attempt) {
                Some(more) => format!("runs on {runner}, {more}"),
                None => format!("runs on {runner}"),
            };
            make(Mark::Running, text, attempt.started_at.unwrap_or(attempt.scheduled_at), false)
        }
        (None, None) => make(Mark::Running, "is being started".to_owned(), visit.entered_at, false),
    }
}

/// Who runs a task: a worker, or AWS Glue with the run's id, to look it up there.
fn runner(facts: &Facts, attempt: &Attempt) -> String {
    let task = facts.tasks.iter().find(|task| Some(task.task) == attempt.task);
    let run = task.and_then(|task| task.submission.as_ref()?["JobRunId"].as_str());
    match run {
        Some(run) => format!("AWS Glue as {run}"),
        None => attempt.worker.as_deref().unwrap_or("a worker").to_owned(),
    }
}

fn attempts_text(facts: &Facts, attempt: &Attempt) -> Option<String> {
    let task = facts.tasks.iter().find(|task| Some(task.task) == attempt.task)?;
    match (attempt.number, task.redeliveries) {
        (1, 0) => None,
        (number, 0) => Some(format!("attempt {number}")),
        (number, 1) => Some(format!("attempt {number}, handed on because a worker went away")),
        (number, lost) => Some(format!("attempt {number}, handed on {lost} times because workers went away")),
    }
}

fn queued(facts: &Facts, attempt: &Attempt) -> (String, bool) {
    let Some(task) = facts.tasks.iter().find(|task| Some(task.task) == attempt.task) else {
        return (format!("waits for {} to be taken", attempt.resource), false);
    };
    if task.queue == INTEGRATION_QUEUE {
        return (format!("the call of {} is about to be made", attempt.resource), false);
    }
    let name = last_segment(&task.queue);
    let behind = facts
        .backlog
        .iter()
        .find(|(queue, _, _)| *queue == task.queue)
        .map_or(0, |(_, waiting, oldest)| if *oldest < task.scheduled_at { waiting.saturating_sub(1) } else { 0 });
    match serving(&facts.workers, name) {
        0 => {
            let flag = if name.ends_with(crate::engine::ON_SPARK) { " --spark-remote sc://…" } else { "" };
            (format!("no worker serves {name}: start one with `stepwell worker{flag}`"), true)
        }
        workers if behind > 0 => {
            let others = if behind == 1 { "other" } else { "others" };
            (format!("waits behind {behind} {others} for {workers} {} of {name}", plural(workers, "worker")), false)
        }
        workers => (format!("waits for a free slot of {workers} {} of {name}", plural(workers, "worker")), false),
    }
}

/// How many workers serve an activity.
pub fn serving(workers: &[WorkerRecord], activity: &str) -> usize {
    workers
        .iter()
        .filter(|worker| {
            let activities = worker.about.get("activities").and_then(Value::as_array);
            activities.into_iter().flatten().filter_map(Value::as_str).any(|name| last_segment(name) == activity)
        })
        .count()
}

/// The name at the end of an ARN.
pub fn last_segment(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn plural(number: usize, word: &str) -> String {
    if number == 1 { word.to_owned() } else { format!("{word}s") }
}

#[cfg(test)]
#[path = "why_tests.rs"]
mod tests;
