//! Whatever arrives, in whatever order and however often: the interpreter never panics, and replay equals live.
//!
//! [`support::world::World::stimulate`] decides on the live execution and on one rebuilt from the serialised journal, and
//! asserts that both agree; here the stimuli are random, fitting ones and absurd ones alike.

mod support;

use std::sync::Arc;

use asl::execution::Position;
use asl::{Failure, Status, Stimulus, TaskId, TimerId, TimerKind};
use proptest::prelude::*;
use serde_json::{Value, json};

use support::answer::Answer;
use support::world::World;

/// A stimulus to be made for whatever is open when its turn comes.
#[derive(Clone, Debug)]
enum Move {
    Start,
    TaskStarted(usize),
    TaskSubmitted(usize),
    TaskSucceeded(usize, Value),
    TaskFailed(usize, Option<&'static str>),
    Fire(usize),
    FireAbsurd(u64, usize),
    Stop,
    Continue,
    Later(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let errors = prop_oneof![
        Just(None),
        Just(Some("Own")),
        Just(Some("States.Timeout")),
        Just(Some("States.HeartbeatTimeout")),
        Just(Some("States.Runtime")),
    ];
    let outputs =
        prop_oneof![Just(json!({"x": 1})), Just(json!([1, 2, 3])), Just(json!(null)), Just(json!("x".repeat(500)))];
    let one = prop_oneof![
        1 => Just(Move::Start),
        6 => any::<usize>().prop_map(Move::TaskStarted),
        3 => any::<usize>().prop_map(Move::TaskSubmitted),
        8 => (any::<usize>(), outputs).prop_map(|(task, output)| Move::TaskSucceeded(task, output)),
        4 => (any::<usize>(), errors).prop_map(|(task, error)| Move::TaskFailed(task, error)),
        6 => any::<usize>().prop_map(Move::Fire),
        2 => (0..40_u64, 0..5_usize).prop_map(|(event, kind)| Move::FireAbsurd(event, kind)),
        1 => Just(Move::Stop),
        4 => Just(Move::Continue),
        2 => (0..20_000_i64).prop_map(Move::Later),
    ];
    proptest::collection::vec(one, 1..60)
}

fn definitions() -> Vec<Value> {
    let activity = "arn:aws:states:us-east-1:111111111111:activity:work";
    let callback = "arn:aws:states:::sns:publish.waitForTaskToken";
    let retry = json!([{"ErrorEquals": ["Own", "States.Timeout"], "MaxAttempts": 2, "JitterStrategy": "FULL"}]);
    let catch = |next: &str| json!([{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": next}]);
    let one = |state: Value| json!({"StartAt": state["Comment"], "States": {state["Comment"].as_str().expect("a name"): state}});
    let task = |name: &str, resource: &str| {
        json!({"Comment": name, "Type": "Task", "Resource": resource, "TimeoutSeconds": 60, "HeartbeatSeconds": 9,
               "Parameters": {"retry.$": "$$.State.RetryCount"}, "Retry": retry, "End": true})
    };
    let wait = json!({"Comment": "W", "Type": "Wait", "Seconds": 30, "Assign": {"waited": true}, "End": true});
    let inner = json!({"Comment": "Inner", "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "Retry": retry,
                       "ItemProcessor": one(task("I", callback)), "End": true});
    let parallel = json!({"Type": "Parallel", "Branches": [one(task("T", activity)), one(wait), one(inner)],
                          "Retry": retry, "Catch": catch("After"), "ResultPath": "$.result", "Next": "After"});
    let map = json!({"Type": "Map", "ItemsPath": "$.items", "Catch": catch("End"), "Next": "Loop",
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Parallel", "End": true, "Branches": [one(task("U", callback))]}}}});
    let distributed = json!({"Type": "Map", "ItemsPath": "$.items", "ToleratedFailureCount": 1, "MaxConcurrency": 2,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                          "StartAt": "D", "States": {"D": task("D", activity)}}, "Retry": retry, "Catch": catch("End"), "End": true});
    vec![
        json!({"StartAt": "Before", "TimeoutSeconds": 500, "States": {
            "Before": {"Type": "Pass", "Assign": {"v": 1}, "Next": "Parallel"},
            "Parallel": parallel,
            "After": {"Type": "Wait", "Seconds": 5, "Next": "End"},
            "End": {"Type": "Succeed"}}}),
        json!({"StartAt": "Map", "States": {
            "Map": map,
            "Loop": {"Type": "Choice", "Choices": [{"Variable": "$[0]", "IsPresent": true, "Next": "Again"}], "Default": "End"},
            "Again": {"Type": "Pass", "Parameters": {"items": [1]}, "Next": "Map"},
            "End": {"Type": "Fail", "Error": "Ended"}}}),
        json!({"StartAt": "Distributed", "States": {"Distributed": distributed, "End": {"Type": "Succeed"}}}),
    ]
}

fn play(definition: &Value, moves: &[Move]) -> World {
    let mut world = World::new(definition, Box::new(|_| Answer::nothing()));
    world.limits.turn_events_max = 9;
    world.limits.history_events_max = 90;
    world.limits.payload_bytes_max = 450;
    world.start(json!({"items": [1, 2, 3]}));
    for step in moves {
        make(&mut world, step);
        check(&world);
    }
    world
}

fn make(world: &mut World, step: &Move) {
    let tasks: Vec<TaskId> =
        world.execution.iter().flat_map(|execution| execution.open_tasks()).map(|(_, task)| task.task).collect();
    // One beyond the open ones: a task nobody knows any more.
    let task = |pick: usize| tasks.get(pick % (tasks.len() + 1)).copied().unwrap_or(TaskId(3));
    let stimulus = match step {
        Move::Start => Stimulus::Start { identity: Box::new(world.identity.clone()), input: Arc::default() },
        Move::TaskStarted(pick) => Stimulus::TaskStarted { task: task(*pick), worker: Some("worker".to_owned()) },
        Move::TaskSubmitted(pick) => Stimulus::TaskSubmitted { task: task(*pick), output: Arc::new(json!({})) },
        Move::TaskSucceeded(pick, output) => {
            Stimulus::TaskSucceeded { task: task(*pick), output: Arc::new(output.clone()) }
        }
        Move::TaskFailed(pick, error) => {
            let failure = error.map_or_else(Failure::default, Failure::named);
            Stimulus::TaskFailed { task: task(*pick), failure }
        }
        Move::Fire(pick) => {
            let timers: Vec<TimerId> = world.timers().keys().copied().collect();
            if let Some(timer) = timers.get(pick % timers.len().max(1)) {
                world.fire(*timer);
            }
            return;
        }
        Move::FireAbsurd(event, kind) => {
            let kinds = [
                TimerKind::Wait,
                TimerKind::Retry,
                TimerKind::TaskTimeout,
                TimerKind::Heartbeat,
                TimerKind::ExecutionTimeout,
            ];
            return world.fire(TimerId { event: *event, kind: kinds[*kind] });
        }
        Move::Stop => Stimulus::Stop { failure: Failure::default() },
        Move::Continue => Stimulus::Continue,
        Move::Later(millis) => {
            world.now = world.now.plus_millis(*millis);
            return;
        }
    };
    world.stimulate(&stimulus);
}

/// What holds after every turn.
fn check(world: &World) {
    let execution = world.execution.as_ref().expect("the execution was started");
    for (index, event) in world.history().iter().enumerate() {
        assert_eq!(event["id"], json!(index + 1), "public ids have no gaps");
        assert!(event["previousEventId"].as_u64() < event["id"].as_u64(), "an event points back");
    }
    assert!(execution.last_public_id <= world.limits.history_events_max);
    let known: Vec<TimerId> = world.timers().keys().copied().collect();
    let mut open: Vec<TimerId> = execution.open_timers().into_iter().map(|(timer, _)| timer).collect();
    open.sort();
    assert_eq!(known, open, "the timers outside are those that are waited for");
    if execution.status == Status::Running {
        assert!(!execution.frames.is_empty());
        for frame in execution.frames.values() {
            match &frame.position {
                Position::Open(state) => assert!(state.waiting.is_some(), "`{}` waits for nothing", state.name),
                Position::Entering { .. } => {}
                Position::Ended { .. } => panic!("a frame at its end was left open"),
            }
        }
    } else {
        assert!(execution.frames.is_empty() && open.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stimuli_in_any_order_are_survived_and_replayed(which in 0..3_usize, moves in moves()) {
        play(&definitions()[which], &moves);
    }
}
