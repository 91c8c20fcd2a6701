//! What a history says about states: every visit of a state with its attempts, nested as the definition nests them.
//!
//! Graph, timeline, grid and the why box all read this. Events are followed through `previousEventId`, so branches that
//! ran side by side come apart again.

use std::collections::HashMap;

use asl::{EventId, TaskId, Timestamp};
use serde_json::Value;

use super::history::{HistoryEvent, RETRY_SCHEDULED, TaskStep, WAIT_STARTED};
use super::mark::Mark;

/// One visit of a state.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The state's name.
    pub state: String,
    /// Its `Type`.
    pub kind: String,
    /// The `…StateEntered` event.
    pub entered_id: EventId,
    /// When.
    pub entered_at: Timestamp,
    /// When it was left or given up.
    pub ended_at: Option<Timestamp>,
    /// JSON text.
    pub input: Option<String>,
    /// JSON text.
    pub output: Option<String>,
    /// What its `Assign` set.
    pub assigned: Option<Value>,
    /// The visit of the Map or Parallel state around it.
    pub parent: Option<usize>,
    /// Which iteration of that Map.
    pub iteration: Option<u64>,
    /// The visit before it, in its own branch.
    pub from: Option<usize>,
    /// What it handed out, in order.
    pub attempts: Vec<Attempt>,
    /// How many items a Map has.
    pub length: Option<u64>,
    /// When a Wait state, or the next attempt, is due.
    pub due_at: Option<Timestamp>,
    /// How it stands.
    pub mark: Mark,
    /// Whether it was left through a Catcher.
    pub caught: bool,
    /// The error it ended with.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
}

impl Visit {
    /// Attempts that were at work when the visit was ended from outside end with it.
    fn end_attempts(&mut self, at: Timestamp, mark: Mark) {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.mark.is_open()) {
            attempt.ended_at = Some(at);
            attempt.mark = mark;
        }
    }

    /// The `ds` in its input.
    pub fn ds(&self) -> Option<String> {
        let input: Value = serde_json::from_str(self.input.as_deref()?).ok()?;
        input.get("ds").and_then(Value::as_str).map(str::to_owned)
    }
}

/// One attempt of a task.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// 1 for the first.
    pub number: usize,
    /// The key of its logs and report.
    pub task: Option<TaskId>,
    /// `glue startJobRun.sync`, or the ARN's end.
    pub resource: String,
    /// JSON text of what it was given.
    pub input: Option<String>,
    /// When it was handed out.
    pub scheduled_at: Timestamp,
    /// When somebody took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who took it.
    pub worker: Option<String>,
    /// How it stands.
    pub mark: Mark,
    /// The error.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
}

/// All visits of an execution, in the order of entering.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    /// The visits; others refer to them by index.
    pub list: Vec<Visit>,
    /// Which visit an event belongs to.
    owners: HashMap<EventId, usize>,
}

impl Visits {
    /// Reads a history from its first event on.
    pub fn read(history: &[HistoryEvent]) -> Self {
        let mut visits = Self::default();
        let mut iterations = HashMap::new();
        for event in history {
            visits.take(event, &mut iterations);
        }
        visits
    }

    /// The visit an event belongs to.
    pub fn owner(&self, event: EventId) -> Option<usize> {
        self.owners.get(&event).copied()
    }

    /// The newest visit of a state.
    pub fn last_of(&self, state: &str) -> Option<usize> {
        self.list.iter().rposition(|visit| visit.state == state)
    }

    /// The visits inside the Map or Parallel state of visit `parent`.
    pub fn children(&self, parent: usize) -> impl Iterator<Item = (usize, &Visit)> {
        self.list.iter().enumerate().filter(move |(_, visit)| visit.parent == Some(parent))
    }

    /// Visits that are open and hold no open visit themselves.
    pub fn open_leaves(&self) -> impl Iterator<Item = (usize, &Visit)> {
        self.list.iter().enumerate().filter(|(index, visit)| {
            visit.mark.is_open() && !self.children(*index).any(|(_, child)| child.mark.is_open())
        })
    }

    /// How a state stands over all its visits: what is open or bad wins over what is done.
    pub fn mark_of(&self, state: &str) -> Option<Mark> {
        self.list.iter().filter(|visit| visit.state == state).map(|visit| visit.mark).max_by_key(|mark| weight(*mark))
    }

    /// Whether the visit `index` lies within `ancestor`, at whatever depth.
    pub fn is_within(&self, mut index: usize, ancestor: usize) -> bool {
        while let Some(parent) = self.list[index].parent {
            if parent == ancestor {
                return true;
            }
            index = parent;
        }
        false
    }

    /// The partition a visit belongs to: the `ds` that its iteration was given; none outside of iterations.
    pub fn partition_of(&self, visit: &Visit) -> Option<String> {
        let mut around = visit;
        loop {
            if around.iteration.is_some() {
                let first = self.list.iter().find(|other| {
                    other.parent == around.parent && other.iteration == around.iteration && other.from.is_none()
                });
                return first.and_then(Visit::ds);
            }
            around = &self.list[around.parent?];
        }
    }

    fn take(&mut self, event: &HistoryEvent, iterations: &mut HashMap<EventId, u64>) {
        let before = self.owner(event.previous);
        if let Some(kind) = event.entered() {
            self.enter(event, kind, before, iterations);
            return;
        }
        if let Some(step) = event.task_step() {
            if let Some(owner) = before {
                self.step(owner, step, event);
                self.owners.insert(event.id, owner);
            }
            return;
        }
        let kind = event.kind.as_str();
        let name = event.text("name").or_else(|| event.text("state"));
        let owner = match (name, kind) {
            (Some(name), _) => self.open_named(name, before),
            (None, WAIT_STARTED | RETRY_SCHEDULED) => before,
            (None, _) if kind.starts_with("Execution") => None,
            (None, _) => self.open_of_kind(kind, before),
        };
        if let (Some(owner), true) = (owner, event.id > 0) {
            self.owners.insert(event.id, owner);
        }
        if kind == "MapIterationStarted" {
            iterations.insert(event.id, event.details.get("index").and_then(Value::as_u64).unwrap_or(0));
        }
        self.change(event, kind, owner);
    }

    fn enter(&mut self, event: &HistoryEvent, kind: &str, before: Option<usize>, iterations: &HashMap<EventId, u64>) {
        let container = |visit: &Visit| matches!(visit.kind.as_str(), "Map" | "Parallel");
        // A container that is still open leads into itself; anything else leads on.
        let (parent, iteration, from) = match before {
            None => (None, None, None),
            Some(index) if container(&self.list[index]) && self.list[index].ended_at.is_none() => {
                (Some(index), iterations.get(&event.previous).copied(), None)
            }
            Some(index) => (self.list[index].parent, self.list[index].iteration, Some(index)),
        };
        self.owners.insert(event.id, self.list.len());
        self.list.push(Visit {
            state: event.text("name").unwrap_or_default().to_owned(),
            kind: kind.to_owned(),
            entered_id: event.id,
            entered_at: event.at,
            ended_at: None,
            input: event.text("input").map(str::to_owned),
            output: None,
            assigned: None,
            parent,
            iteration,
            from,
            attempts: Vec::new(),
            length: None,
            due_at: None,
            mark: if kind == "Wait" { Mark::Waiting } else { Mark::Running },
            caught: false,
            error: None,
            cause: None,
        });
    }

    fn step(&mut self, owner: usize, step: TaskStep, event: &HistoryEvent) {
        let visit = &mut self.list[owner];
        let (error, cause) = (event.text("error").map(str::to_owned), event.text("cause").map(str::to_owned));
        if step == TaskStep::Scheduled {
            visit.due_at = None;
            visit.mark = Mark::Waiting;
            visit.attempts.push(Attempt {
                number: visit.attempts.len() + 1,
                task: event.task,
                resource: resource(event),
                input: event.text("parameters").or_else(|| event.text("input")).map(str::to_owned),
                scheduled_at: event.at,
                started_at: None,
                ended_at: None,
                worker: None,
                mark: Mark::Waiting,
                error: None,
                cause: None,
            });
            return;
        }
        let Some(attempt) = visit.attempts.last_mut() else { return };
        match step {
            TaskStep::Scheduled | TaskStep::Submitted => {}
            TaskStep::Started => {
                attempt.started_at = Some(event.at);
                attempt.worker = event.worker.clone();
                attempt.mark = Mark::Running;
                visit.mark = Mark::Running;
            }
            TaskStep::Succeeded => {
                attempt.ended_at = Some(event.at);
                attempt.mark = Mark::Succeeded;
                visit.mark = Mark::Running;
            }
            TaskStep::Failed | TaskStep::TimedOut => {
                attempt.ended_at = Some(event.at);
                attempt.mark = if step == TaskStep::Failed { Mark::Failed } else { Mark::TimedOut };
                attempt.error = error.clone();
                attempt.cause = cause.clone();
                // Until something follows it waits: for its next attempt or for the end.
                visit.mark = Mark::Waiting;
                visit.error = error;
                visit.cause = cause;
            }
        }
    }

    fn change(&mut self, event: &HistoryEvent, kind: &str, owner: Option<usize>) {
        match kind {
            "ExecutionSucceeded" => {}
            "ExecutionFailed" => self.end_open(event, Mark::Failed),
            "ExecutionTimedOut" => self.end_open(event, Mark::TimedOut),
            "ExecutionAborted" => self.end_open(event, Mark::Aborted),
            _ => {
                let Some(owner) = owner else { return };
                let failing = self.owner(event.previous);
                let visit = &mut self.list[owner];
                if kind.ends_with("StateExited") {
                    let bad = visit.attempts.last().map(|attempt| attempt.mark).filter(|mark| mark.is_bad());
                    visit.caught = bad.is_some() || visit.mark.is_bad();
                    visit.mark = bad.unwrap_or(if visit.mark.is_bad() { visit.mark } else { Mark::Succeeded });
                    visit.ended_at = Some(event.at);
                    visit.output = event.text("output").map(str::to_owned);
                    visit.assigned = event.details.get("assignedVariables").cloned();
                } else if kind.ends_with("StateAborted") {
                    visit.mark = Mark::Aborted;
                    visit.ended_at = Some(event.at);
                    visit.end_attempts(event.at, Mark::Aborted);
                } else if kind.ends_with("StateFailed") || kind == "EvaluationFailed" {
                    visit.mark = Mark::Failed;
                    if kind == "EvaluationFailed" {
                        visit.error = event.text("error").map(str::to_owned);
                        visit.cause = event.text("cause").map(str::to_owned);
                    }
                    self.end_failing(failing, event);
                } else if matches!(kind, "MapIterationFailed" | "MapRunFailed") {
                    self.end_failing(failing, event);
                } else if kind == "MapStateStarted" {
                    visit.length = event.details.get("length").and_then(Value::as_u64);
                    visit.mark = Mark::Running;
                } else if kind == "ParallelStateStarted" {
                    visit.mark = Mark::Running;
                } else if matches!(kind, WAIT_STARTED | RETRY_SCHEDULED) {
                    visit.due_at = event.due_at();
                    visit.mark = Mark::Waiting;
                }
            }
        }
    }

    /// The state whose failure failed the iteration or branch around it: it gets no event of its own.
    fn end_failing(&mut self, failing: Option<usize>, event: &HistoryEvent) {
        let Some(visit) = failing.map(|index| &mut self.list[index]) else { return };
        if visit.mark.is_open() && visit.ended_at.is_none() && !matches!(visit.kind.as_str(), "Map" | "Parallel") {
            visit.mark =
                visit.attempts.last().map(|attempt| attempt.mark).filter(|m| m.is_bad()).unwrap_or(Mark::Failed);
            visit.ended_at = Some(event.at);
        }
    }

    fn end_open(&mut self, event: &HistoryEvent, mark: Mark) {
        let failing = self.owner(event.previous);
        for index in 0..self.list.len() {
            let is_around = failing.is_some_and(|failing| failing == index || self.is_within(failing, index));
            let visit = &mut self.list[index];
            if visit.ended_at.is_some() {
                continue;
            }
            visit.ended_at = Some(event.at);
            visit.end_attempts(event.at, if mark == Mark::Failed { Mark::Aborted } else { mark });
            if !visit.mark.is_open() {
                continue;
            }
            let own = visit.attempts.last().map(|attempt| attempt.mark).filter(|mark| mark.is_bad());
            visit.mark = own.unwrap_or(match mark {
                Mark::Failed if !is_around => Mark::Aborted,
                other => other,
            });
            if is_around && visit.error.is_none() && own.is_none() {
                visit.error = event.text("error").map(str::to_owned);
                visit.cause = event.text("cause").map(str::to_owned);
            }
        }
    }

    /// The open visit of `name` nearest to where the event comes from.
    fn open_named(&self, name: &str, before: Option<usize>) -> Option<usize> {
        let mut near = before;
        while let Some(index) = near {
            if self.list[index].state == name && self.list[index].ended_at.is_none() {
                return near;
            }
            near = self.list[index].parent;
        }
        self.list.iter().rposition(|visit| visit.state == name && visit.ended_at.is_none())
    }

    /// Events without a name (`ParallelStateStarted`, `MapStateFailed`, `TaskStateAborted`) belong to the nearest open
    /// visit of their type; an aborted one is a sibling of what failed.
    fn open_of_kind(&self, event: &str, before: Option<usize>) -> Option<usize> {
        let kind = if event.starts_with("MapRun") { "Map" } else { event.split("State").next().unwrap_or(event) };
        let is_open = |visit: &Visit| visit.kind == kind && visit.ended_at.is_none();
        if event.ends_with("Aborted") {
            return self
                .list
                .iter()
                .enumerate()
                .position(|(index, visit)| Some(index) != before && is_open(visit) && visit.mark.is_open());
        }
        // A container that has failed already hands its failure on to the next one out.
        let wanted = |visit: &Visit| is_open(visit) && !(event.ends_with("Failed") && visit.mark.is_bad());
        let mut near = before;
        while let Some(index) = near {
            if wanted(&self.list[index]) {
                return near;
            }
            near = self.list[index].parent;
        }
        self.list.iter().rposition(wanted)
    }
}

/// What wins when one state was visited several times.
const fn weight(mark: Mark) -> u8 {
    match mark {
        Mark::Running => 9,
        Mark::Waiting => 8,
        Mark::Failed => 7,
        Mark::TimedOut => 6,
        Mark::Aborted => 5,
        Mark::Stale => 4,
        Mark::Succeeded => 3,
        Mark::Skipped => 2,
        Mark::Missing | Mark::Warned => 1,
    }
}

fn resource(event: &HistoryEvent) -> String {
    let resource = event.text("resource").unwrap_or_default();
    match event.text("resourceType") {
        Some(service) => format!("{service}:{resource}"),
        None => match resource.rsplit_once(':') {
            Some((head, name)) if head.ends_with(":activity") => format!("activity {name}"),
            Some((_, name)) => format!("lambda {name}"),
            None => resource.to_owned(),
        },
    }
}

#[cfg(test)]
#[path = "visit_tests.rs"]
mod tests;
