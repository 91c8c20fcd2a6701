//! A world around one execution: stimuli in order of time, timers, tasks, and after every step a full replay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asl::execution::{Identity, Limits, Resource, ScheduleTask};
use asl::{
    Command, Decision, Event, Execution, StateMachine, Status, Stimulus, TaskId, TimerId, TimerKind, Timestamp, Turn,
    decide_without, history, replay,
};
use serde_json::Value;

use super::answer::Answer;

/// 2026-01-02T03:04:05Z: where the virtual clock starts.
pub const START: Timestamp = Timestamp::from_millis(1_767_323_045_000);

/// What happens at a moment.
#[derive(Clone, Debug)]
enum Action {
    Stimulus(Stimulus),
    Timer(TimerId),
    Heartbeat(TaskId),
}

/// Gives the answer for a task that was handed out.
pub type Responder = Box<dyn FnMut(&ScheduleTask) -> Answer>;

pub struct World {
    pub machine: StateMachine,
    pub identity: Identity,
    pub limits: Limits,
    pub now: Timestamp,
    pub journal: Vec<Event>,
    pub execution: Option<Execution>,
    /// Every command ever given.
    pub commands: Vec<Command>,
    /// ARNs of the activities that exist; `None` means all.
    pub activities: Option<BTreeSet<String>>,
    agenda: BTreeMap<(Timestamp, u64), Action>,
    timers: BTreeMap<TimerId, Timestamp>,
    heartbeats: BTreeMap<TaskId, u64>,
    responder: Responder,
    sequence: u64,
    turns: u8,
}

impl World {
    pub fn new(definition: &Value, responder: Responder) -> Self {
        let machine = StateMachine::parse(&definition.to_string(), false)
            .unwrap_or_else(|findings| panic!("the definition is refused: {findings:?}"));
        Self {
            machine,
            identity: identity("machine", "arn:aws:iam::111111111111:role/role"),
            limits: Limits::default(),
            now: START,
            journal: Vec::new(),
            execution: None,
            commands: Vec::new(),
            activities: None,
            agenda: BTreeMap::new(),
            timers: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            responder,
            sequence: 0,
            turns: 0,
        }
    }

    /// Starts the execution.
    pub fn start(&mut self, input: Value) {
        let identity = Box::new(self.identity.clone());
        self.stimulate(&Stimulus::Start { identity, input: Arc::new(input) });
    }

    /// Goes on until nothing is left to do. Panics if that takes unreasonably long.
    pub fn run(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the execution does not come to an end: {:?}", self.status());
    }

    /// Does the next thing on the agenda; false if there is none.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), action)) = self.agenda.pop_first() else { return false };
        self.now = self.now.max(at);
        match action {
            Action::Stimulus(stimulus) => {
                self.stimulate(&stimulus);
            }
            Action::Timer(timer) => {
                if self.timers.get(&timer) == Some(&at) {
                    self.timers.remove(&timer);
                    self.stimulate(&Stimulus::TimerFired { timer });
                }
            }
            Action::Heartbeat(task) => {
                let timer = TimerId { event: task.0, kind: TimerKind::Heartbeat };
                if let (Some(seconds), true) = (self.heartbeats.get(&task), self.timers.contains_key(&timer)) {
                    let due_at = self.now.plus_seconds(*seconds as i64);
                    self.set_timer(timer, due_at);
                }
            }
        }
        true
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// A timer fires whatever the clock says.
    pub fn fire(&mut self, timer: TimerId) {
        self.timers.remove(&timer);
        self.stimulate(&Stimulus::TimerFired { timer });
    }

    /// Gives a stimulus, checks that a full replay of the serialised journal agrees, and follows the commands.
    pub fn stimulate(&mut self, stimulus: &Stimulus) -> Decision {
        let decision = self.decide(stimulus);
        self.journal.extend(decision.events.iter().cloned());
        if let Some(execution) = &decision.execution {
            self.execution = Some(execution.clone());
        }
        for command in decision.commands.clone() {
            self.follow(&command);
            self.commands.push(command);
        }
        decision
    }

    fn decide(&mut self, stimulus: &Stimulus) -> Decision {
        self.turns = self.turns.wrapping_add(1);
        let turn =
            Turn { now: self.now, seed: [self.turns; 32], limits: self.limits.clone(), region: "us-east-1".into() };
        let replayed = self.execution.is_some().then(|| self.replay());
        let mut missing = BTreeSet::new();
        loop {
            let decide = |execution| decide_without(&self.machine, execution, stimulus, &turn, &missing);
            let live = decide(self.execution.as_ref()).expect("a live decision");
            let again = decide(replayed.as_ref()).expect("a decision on the replayed execution");
            assert_eq!(live.events, again.events, "live and replayed executions differ");
            assert_eq!(format!("{:?}", live.commands), format!("{:?}", again.commands));
            match self.missing_activity(&live) {
                Some(arn) => missing.insert(arn),
                None => return live,
            };
        }
    }

    /// The execution as the journal alone gives it; it equals the live one.
    fn replay(&self) -> Execution {
        let text = serde_json::to_string(&self.journal).expect("events can be written");
        let journal: Vec<Event> = serde_json::from_str(&text).expect("events can be read");
        assert_eq!(journal, self.journal, "an event changes when it is written and read");
        let replayed = replay(&self.machine, &journal).expect("the journal can be replayed");
        let live = self.execution.as_ref().expect("there is a live execution");
        let value = |execution: &Execution| serde_json::to_value(execution).expect("executions can be written");
        assert_eq!(value(&replayed), value(live), "replay makes another execution");
        let snapshot = serde_json::from_value(value(live)).expect("a snapshot can be read");
        assert_eq!(value(&snapshot), value(live), "a snapshot makes another execution");
        replayed
    }

    fn missing_activity(&self, decision: &Decision) -> Option<String> {
        let known = self.activities.as_ref()?;
        decision.commands.iter().find_map(|command| match command {
            Command::ScheduleTask(task) => match &task.resource {
                Resource::Activity(arn) if !known.contains(arn) => Some(arn.clone()),
                _ => None,
            },
            _ => None,
        })
    }

    fn follow(&mut self, command: &Command) {
        match command {
            Command::ScheduleTask(task) => {
                if let Some(seconds) = task.heartbeat_seconds {
                    self.heartbeats.insert(task.task, seconds);
                }
                let answer = (self.responder)(task);
                self.answer(task.task, answer);
            }
            Command::CancelTask { .. } => {}
            Command::SetTimer { timer, due_at } => self.set_timer(*timer, *due_at),
            Command::CancelTimer { timer } => {
                assert!(self.timers.remove(timer).is_some(), "{timer:?} is cancelled and was never set");
            }
            Command::Continue => self.at(self.now, Action::Stimulus(Stimulus::Continue)),
        }
    }

    fn answer(&mut self, task: TaskId, answer: Answer) {
        for (seconds, stimulus) in answer.stimuli(task) {
            let at = self.now.plus_millis((seconds * 1000.0) as i64);
            let action = stimulus.map_or(Action::Heartbeat(task), Action::Stimulus);
            self.at(at, action);
        }
    }

    fn set_timer(&mut self, timer: TimerId, due_at: Timestamp) {
        self.timers.insert(timer, due_at);
        self.at(due_at, Action::Timer(timer));
    }

    fn at(&mut self, at: Timestamp, action: Action) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), action);
    }

    /// Timers that are set.
    pub fn timers(&self) -> &BTreeMap<TimerId, Timestamp> {
        &self.timers
    }

    pub fn status(&self) -> Option<&Status> {
        self.execution.as_ref().map(|execution| &execution.status)
    }

    /// The public history.
    pub fn history(&self) -> Vec<Value> {
        self.journal.iter().filter_map(|event| history::project(event, true)).collect()
    }

    /// The public history as `id type<-previous` lines.
    pub fn outline(&self) -> Vec<String> {
        let line = |event: &Value| {
            format!("{} {}<-{}", event["id"], event["type"].as_str().unwrap_or_default(), event["previousEventId"])
        };
        self.history().iter().map(line).collect()
    }
}

pub fn identity(machine: &str, role_arn: &str) -> Identity {
    let name = "0e3bd1a5-4a9d-4b9c-9f37-0123456789ab";
    Identity {
        id: 0x0e3b_d1a5_4a9d_4b9c_9f37_0123_4567_89ab,
        arn: format!("arn:aws:states:us-east-1:111111111111:execution:{machine}:{name}"),
        name: name.to_owned(),
        role_arn: role_arn.to_owned(),
        state_machine_arn: format!("arn:aws:states:us-east-1:111111111111:stateMachine:{machine}"),
        state_machine_name: machine.to_owned(),
        state_machine_version_arn: None,
        state_machine_alias_arn: None,
    }
}
