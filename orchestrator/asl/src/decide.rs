//! What happens next: a stimulus becomes events and commands.
//!
//! A decision works on a copy of the execution and changes it through [`crate::apply`] alone, so what runs live is what
//! replay runs. It goes on until every frame waits for something outside, or until `turn_events_max`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::apply::{apply, begin};
use crate::commands;
use crate::data_flow::Evaluation;
use crate::definition::{State, StateMachine};
use crate::execution::{
    Children, DecideError, Decision, Event, EventKind, Execution, Failure, Frame, FrameId, Identity, OpenState,
    Position, PublicId, Status, Stimulus, Turn, Waiting,
};
use crate::failure;
use crate::fault::{Fault, RUNTIME, TIMEOUT};
use crate::ids::{EventId, TaskId, TimerId, TimerKind};
use crate::query::Random;
use crate::step;

/// What `stimulus` leads to. `execution` is `None` only for [`Stimulus::Start`].
///
/// A stimulus that comes late, twice or for nobody is a decision without events. The error means a broken journal or
/// the wrong definition.
pub fn decide(
    machine: &StateMachine,
    execution: Option<&Execution>,
    stimulus: &Stimulus,
    turn: &Turn,
) -> Result<Decision, DecideError> {
    decide_without(machine, execution, stimulus, turn, &BTreeSet::new())
}

/// [`decide`] in a world where the activities with these ARNs do not exist.
///
/// A task of such an activity fails without having been scheduled, as AWS has it. The caller looks at the
/// [`Command::ScheduleTask`]s of a first decision and, if one names an activity that is not there, decides once more.
pub fn decide_without(
    machine: &StateMachine,
    execution: Option<&Execution>,
    stimulus: &Stimulus,
    turn: &Turn,
    missing_activities: &BTreeSet<String>,
) -> Result<Decision, DecideError> {
    let mut deciding = match (execution, stimulus) {
        (None, Stimulus::Start { identity, input }) => {
            let event = started(machine, identity, input, turn);
            Deciding {
                machine,
                turn,
                missing_activities,
                random: Random::new(turn.seed),
                execution: begin(machine, &event)?,
                events: vec![event],
            }
        }
        (Some(execution), stimulus) if commands::fits(execution, stimulus) => Deciding {
            machine,
            turn,
            missing_activities,
            random: Random::new(turn.seed),
            execution: execution.clone(),
            events: Vec::new(),
        },
        // A worker that lost its lease still reports, and timers fire twice after a crash.
        _ => return Ok(Decision::default()),
    };
    let outcome = deciding.take(stimulus).and_then(|()| deciding.run());
    let unfinished = match outcome {
        Ok(unfinished) => unfinished,
        Err(Halt::HistoryFull) => deciding.end_by_full_history()?,
        Err(Halt::Corrupt(error)) => return Err(error),
        Err(Halt::Fault(fault)) => {
            let reason = format!("a failure met no state: {:?}", fault.failure);
            return Err(deciding.corrupt(&reason));
        }
    };
    let commands = commands::between(execution, &deciding.execution, stimulus, unfinished);
    if deciding.events.is_empty() && commands.is_empty() {
        return Ok(Decision::default());
    }
    Ok(Decision { events: deciding.events, commands, execution: Some(deciding.execution) })
}

/// Why a decision stops where it is.
pub(crate) enum Halt {
    /// The state failed.
    Fault(Box<Fault>),
    /// The history has no room for another event.
    HistoryFull,
    /// The execution is not what its events say.
    Corrupt(DecideError),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

/// A step of a decision.
pub(crate) type Step<T = ()> = Result<T, Halt>;

/// A decision in progress.
pub(crate) struct Deciding<'a> {
    pub machine: &'a StateMachine,
    pub turn: &'a Turn,
    pub missing_activities: &'a BTreeSet<String>,
    pub random: Random,
    pub execution: Execution,
    events: Vec<Event>,
}

impl<'a> Deciding<'a> {
    /// Writes down what happened in `frame`, pointing back to the last event there.
    pub fn emit(&mut self, frame: FrameId, kind: EventKind) -> Step<EventId> {
        let previous = self.frame(frame)?.chain;
        self.emit_after(frame, previous, kind)
    }

    /// Writes down what happened in `frame`, pointing back to the public event `previous`.
    pub fn emit_after(&mut self, frame: FrameId, previous: EventId, kind: EventKind) -> Step<EventId> {
        let hidden = self.frame(frame)?.hidden || self.is_hidden_iteration(frame, &kind)?;
        let internal = matches!(
            kind,
            EventKind::WaitStarted { .. }
                | EventKind::RetryScheduled { .. }
                | EventKind::BranchStarted { .. }
                | EventKind::BranchSucceeded
        );
        let public = (!hidden && !internal).then(|| PublicId { id: self.execution.last_public_id + 1, previous });
        // The last place is kept for the event that ends the execution.
        if public.is_some_and(|public| public.id >= self.turn.limits.history_events_max) && !ends(&kind) {
            return Err(Halt::HistoryFull);
        }
        let event = Event { id: self.execution.last_event_id + 1, at: self.turn.now, frame, public, kind };
        apply(&mut self.execution, self.machine, &event).map_err(Halt::Corrupt)?;
        let id = event.id;
        self.events.push(event);
        Ok(id)
    }

    /// The frame with this id.
    pub fn frame(&self, id: FrameId) -> Step<&Frame> {
        self.execution.frames.get(&id).ok_or_else(|| self.corrupted("a frame is missing"))
    }

    /// The state that the frame is in.
    pub fn open(&self, id: FrameId) -> Step<&OpenState> {
        match &self.frame(id)?.position {
            Position::Open(open) => Ok(open),
            Position::Entering { .. } | Position::Ended { .. } => Err(self.corrupted("a frame is in no state")),
        }
    }

    /// The branches or iterations of the state that the frame is in.
    pub fn children(&self, id: FrameId) -> Step<&Children> {
        match &self.open(id)?.waiting {
            Some(Waiting::Children(children)) => Ok(children),
            _ => Err(self.corrupted("a state has no branches or iterations")),
        }
    }

    /// The definition of the state that the frame is in.
    pub fn state(&self, id: FrameId) -> Step<&'a State> {
        let machine = self.machine;
        let scope = self.frame(id)?.scope;
        let name = &self.open(id)?.name;
        machine.state(scope, name).ok_or_else(|| self.corrupted(&format!("the definition has no state `{name}`")))
    }

    /// For evaluating fields of the state that the frame is in.
    pub fn evaluation(&self, id: FrameId) -> Step<Evaluation<'_>> {
        Ok(Evaluation::new(&self.execution, id, self.state(id)?, self.open(id)?, &self.random, self.turn.now))
    }

    /// Runs `step` for the state in `frame`; a failure of the state is dealt with.
    pub fn attempt(&mut self, frame: FrameId, step: impl FnOnce(&mut Self) -> Step) -> Step {
        match step(self) {
            Err(Halt::Fault(fault)) => failure::fail(self, frame, *fault),
            other => other,
        }
    }

    /// The execution is not what its events say.
    pub fn corrupted(&self, reason: &str) -> Halt {
        Halt::Corrupt(self.corrupt(reason))
    }

    fn corrupt(&self, reason: &str) -> DecideError {
        DecideError::Corrupt {
            execution: self.execution.identity.arn.clone(),
            event: self.execution.last_event_id,
            reason: reason.to_owned(),
        }
    }

    /// An iteration of a distributed Map opens in the frame of the Map, and is not shown all the same.
    fn is_hidden_iteration(&self, frame: FrameId, kind: &EventKind) -> Step<bool> {
        Ok(matches!(kind, EventKind::MapIterationStarted { .. }) && self.children(frame)?.map_run.is_some())
    }

    fn take(&mut self, stimulus: &Stimulus) -> Step {
        match stimulus {
            Stimulus::Start { .. } | Stimulus::Continue => Ok(()),
            Stimulus::TaskStarted { task, worker } => {
                self.with_task(*task, |deciding, frame| step::task::started(deciding, frame, *task, worker.clone()))
            }
            Stimulus::TaskSubmitted { task, output } => {
                self.with_task(*task, |deciding, frame| step::task::submitted(deciding, frame, *task, output))
            }
            Stimulus::TaskSucceeded { task, output } => self.with_task(*task, |deciding, frame| {
                deciding.attempt(frame, |deciding| step::task::succeeded(deciding, frame, *task, output))
            }),
            Stimulus::TaskFailed { task, failure } => self.with_task(*task, |deciding, frame| {
                deciding.attempt(frame, |deciding| step::task::failed(deciding, frame, *task, failure))
            }),
            Stimulus::TimerFired { timer } => self.fire(*timer),
            Stimulus::Stop { failure } => {
                let kind = EventKind::ExecutionAborted { failure: failure.clone() };
                self.emit_after(FrameId::TOP, 0, kind).map(drop)
            }
        }
    }

    fn with_task(&mut self, task: TaskId, report: impl FnOnce(&mut Self, FrameId) -> Step) -> Step {
        match self.execution.frame_of_task(task) {
            Some(frame) => report(self, frame),
            None => Ok(()),
        }
    }

    fn fire(&mut self, timer: TimerId) -> Step {
        match timer.kind {
            TimerKind::ExecutionTimeout => {
                let kind = EventKind::ExecutionTimedOut { failure: Failure::named(TIMEOUT) };
                self.emit_after(FrameId::TOP, 0, kind).map(drop)
            }
            TimerKind::TaskTimeout | TimerKind::Heartbeat => {
                let (task, heartbeat) = (TaskId(timer.event), timer.kind == TimerKind::Heartbeat);
                self.with_task(task, |deciding, frame| {
                    deciding.attempt(frame, |deciding| step::task::timed_out(deciding, frame, task, heartbeat))
                })
            }
            TimerKind::Wait | TimerKind::Retry => {
                let waiting = self
                    .execution
                    .open_states()
                    .find(|open| commands::waits_for(open.state, timer))
                    .map(|open| open.id);
                let Some(frame) = waiting else { return Ok(()) };
                self.attempt(frame, |deciding| match timer.kind {
                    TimerKind::Wait => step::wait::leave(deciding, frame),
                    _ => step::work(deciding, frame),
                })
            }
        }
    }

    /// Goes on until every frame waits. Gives whether the turn ended before that.
    fn run(&mut self) -> Step<bool> {
        while self.execution.status == Status::Running {
            let Some(frame) = self.longest_waiting() else { return Ok(false) };
            if self.events.len() as u64 >= self.turn.limits.turn_events_max {
                return Ok(true);
            }
            step::enter(self, frame)?;
        }
        Ok(false)
    }

    /// The frame that has been about to enter a state for longest: no branch can starve another.
    fn longest_waiting(&self) -> Option<FrameId> {
        self.execution
            .frames
            .iter()
            .filter_map(|(id, frame)| match frame.position {
                Position::Entering { since, .. } => Some((since, *id)),
                Position::Open(_) | Position::Ended { .. } => None,
            })
            .min()
            .map(|(_, id)| id)
    }

    fn end_by_full_history(&mut self) -> Result<bool, DecideError> {
        let most = self.turn.limits.history_events_max;
        let cause = format!("The execution reached the maximum number of history events ({most}).");
        let ended = self.emit(FrameId::TOP, EventKind::ExecutionFailed { failure: Failure::new(RUNTIME, cause) });
        match ended {
            Ok(_) => Ok(false),
            Err(Halt::Corrupt(error)) => Err(error),
            Err(Halt::HistoryFull | Halt::Fault(_)) => Err(self.corrupt("the history has no room for its end")),
        }
    }
}

fn started(machine: &StateMachine, identity: &Identity, input: &Arc<Value>, turn: &Turn) -> Event {
    let timeout_at =
        machine.timeout_seconds.map(|seconds| turn.now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX)));
    Event {
        id: 1,
        at: turn.now,
        frame: FrameId::TOP,
        public: Some(PublicId { id: 1, previous: 0 }),
        kind: EventKind::ExecutionStarted { identity: Arc::new(identity.clone()), input: input.clone(), timeout_at },
    }
}

fn ends(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::ExecutionSucceeded { .. }
            | EventKind::ExecutionFailed { .. }
            | EventKind::ExecutionTimedOut { .. }
            | EventKind::ExecutionAborted { .. }
    )
}
