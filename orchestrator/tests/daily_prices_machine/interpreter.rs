//! Runs the machine by the interpreter alone: tasks are answered by a script, waits and retries pass at once.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

use std::collections::VecDeque;
use std::sync::Arc;

use asl::definition::Resource;
use asl::execution::{Identity, Limits, ScheduleTask};
use asl::{Command, Execution, Failure, StateMachine, Status, Stimulus, Timestamp, Turn, decide};
use serde_json::{Value, json};

pub const MACHINE: &str = include_str!("../../../state-machines/daily-prices.asl.json");
/// Far above what any case needs: a machine that loops is a failure, not a hang.
const STIMULI_MAX: usize = 2_000;

pub type Answer = Result<Value, Failure>;

/// One call of a task.
#[derive(Clone, Debug)]
pub struct Call {
    /// The state's name.
    pub state: String,
    /// The function, job, topic or crawler.
    pub name: String,
    pub input: Value,
    /// Milliseconds since the start.
    pub at_ms: i64,
}

pub struct Ended {
    pub status: Status,
    pub calls: Vec<Call>,
}

impl Ended {
    #[track_caller]
    pub fn output(&self) -> &Value {
        match &self.status {
            Status::Succeeded { output } => output,
            other => panic!("{other:?} after {:?}", self.states()),
        }
    }

    #[track_caller]
    pub fn failure(&self) -> (&str, &str) {
        match &self.status {
            Status::Failed(failure) => (failure.error.as_deref().unwrap(), failure.cause.as_deref().unwrap()),
            other => panic!("{other:?} after {:?}", self.states()),
        }
    }

    pub fn states(&self) -> Vec<&str> {
        self.calls.iter().map(|call| call.state.as_str()).collect()
    }

    pub fn of(&self, state: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.state == state).collect()
    }
}

fn name_of(task: &ScheduleTask) -> String {
    let input = &task.input;
    let named = ["FunctionName", "JobName", "TopicArn", "Name"].iter().find_map(|field| input[*field].as_str());
    named.unwrap_or_default().to_owned()
}

/// Runs the machine of daily prices to its end; waits and retries pass at once.
pub fn run(input: Value, script: impl FnMut(&Call) -> Answer) -> Ended {
    run_machine(MACHINE, input, script)
}

/// Runs a machine to its end; waits and retries pass at once.
pub fn run_machine(definition: &str, input: Value, mut script: impl FnMut(&Call) -> Answer) -> Ended {
    let machine = StateMachine::parse(definition, false).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let identity = Identity {
        id: 1,
        arn: "arn:aws:states:us-east-1:123456789012:execution:daily-prices:run-1".to_owned(),
        name: "run-1".to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/stepwell".to_owned(),
        state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:daily-prices".to_owned(),
        state_machine_name: "daily-prices".to_owned(),
        state_machine_version_arn: None,
        state_machine_alias_arn: None,
    };
    let began_ms = 1_733_500_000_000;
    let mut now = Timestamp::from_millis(began_ms);
    let mut execution: Option<Execution> = None;
    let mut calls = Vec::new();
    let mut stimuli = VecDeque::from([Stimulus::Start { identity: Box::new(identity), input: Arc::new(input) }]);
    for _ in 0..STIMULI_MAX {
        let Some(stimulus) = stimuli.pop_front() else { break };
        let turn = Turn { now, seed: [7; 32], limits: Limits::default(), region: "us-east-1".into() };
        let decision = decide(&machine, execution.as_ref(), &stimulus, &turn).unwrap();
        execution = decision.execution.or(execution);
        for command in decision.commands {
            match command {
                Command::ScheduleTask(task) => {
                    let input = (*task.input).clone();
                    let at_ms = now.millis() - began_ms;
                    let call = Call { state: task.state.to_string(), name: name_of(&task), input, at_ms };
                    let answer = script(&call);
                    calls.push(call);
                    stimuli.push_back(Stimulus::TaskStarted { task: task.task, worker: None });
                    stimuli.push_back(match answer {
                        Ok(output) => Stimulus::TaskSucceeded {
                            task: task.task,
                            output: Arc::new(wrapped(&task.resource, output)),
                        },
                        Err(failure) => Stimulus::TaskFailed { task: task.task, failure },
                    });
                }
                Command::SetTimer { timer, due_at }
                    if matches!(timer.kind, asl::TimerKind::Wait | asl::TimerKind::Retry) =>
                {
                    now = now.max(due_at);
                    stimuli.push_back(Stimulus::TimerFired { timer });
                }
                Command::Continue => stimuli.push_back(Stimulus::Continue),
                Command::SetTimer { .. } | Command::CancelTask { .. } | Command::CancelTimer { .. } => {}
            }
        }
    }
    Ended { status: execution.expect("the start was decided").status, calls }
}

/// A function's answer comes in Lambda's wrapper.
fn wrapped(resource: &Resource, output: Value) -> Value {
    match resource {
        Resource::Service { service, .. } if service == "lambda" => json!({ "Payload": output, "StatusCode": 200 }),
        _ => output,
    }
}
