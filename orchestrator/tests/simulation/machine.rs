//! The state machines of the simulation: small ones that together use every type of state.

use std::sync::{Arc, OnceLock};

use asl::StateMachine;
use serde_json::{Value, json};

/// What kind of weather a machine can stand and still come to one certain end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certain {
    /// Whatever happens, even when nodes crash: all its tasks have leases.
    Crashes,
    /// As long as nodes stay up: a crash between starting and handing over an activity's task costs its time.
    Faults,
    /// It has timeouts that may or may not be met.
    Nothing,
}

/// A machine, what it is started with, and what can be said of its end.
#[derive(Debug)]
pub struct Machine {
    pub name: &'static str,
    pub text: String,
    pub definition: Arc<StateMachine>,
    pub input: Value,
    pub certain: Certain,
    /// Whether nothing in it runs side by side, so that its history is certain, too, and not only its output.
    pub sequential: bool,
}

pub const ACTIVITY: &str = "arn:aws:states:us-east-1:123456789012:activity:act";
pub const FUNCTION_QUEUE: &str = "arn:aws:states:us-east-1:123456789012:activity:work";
pub const JOB_QUEUE: &str = "arn:aws:states:us-east-1:123456789012:activity:job";
/// Names that the engines bind to workers.
pub const BOUND: [&str; 2] = ["work", "job"];

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:work";

/// A task of a function that fails so many times before it succeeds. Its result lands beside its input.
fn function(fail: u64, value: &str, next: Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": FUNCTION, "ResultPath": "$.result",
        "Parameters": {"value.$": value, "fail": fail, "retry.$": "$$.State.RetryCount"},
        "Retry": [{"ErrorEquals": ["Own"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1.5}],
    });
    merge(&mut state, next);
    state
}

/// A task of an activity.
fn activity(value: &str, more: Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": ACTIVITY, "ResultPath": "$.result",
        "Parameters": {"value.$": value, "fail": 0, "retry.$": "$$.State.RetryCount"},
    });
    merge(&mut state, more);
    state
}

fn merge(state: &mut Value, more: Value) {
    if let (Value::Object(state), Value::Object(more)) = (state, more) {
        state.extend(more);
    }
}

fn end() -> Value {
    json!({"End": true})
}

fn alone(name: &str, state: Value) -> Value {
    json!({"StartAt": name, "States": {name: state}})
}

fn counting(until: u64, after: &str) -> Value {
    json!({
        "Count": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)", "items.$": "$.items"}, "Next": "Enough?"},
        "Enough?": {"Type": "Choice", "Default": "Count",
            "Choices": [{"Variable": "$.n", "NumericGreaterThanEquals": until, "Next": after}]},
    })
}

/// All machines.
pub fn all() -> &'static [Machine] {
    static ALL: OnceLock<Vec<Machine>> = OnceLock::new();
    ALL.get_or_init(make)
}

/// The machine of this name.
pub fn named(name: &str) -> &'static Machine {
    all().iter().find(|machine| machine.name == name).expect("there is a machine of this name")
}

fn make() -> Vec<Machine> {
    let leased = Certain::Crashes;
    [sequential(), concurrent(leased), timed()]
        .into_iter()
        .flatten()
        .map(|(name, certain, sequential, definition)| {
            let text = definition.to_string();
            let parsed = StateMachine::parse(&text, false).unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
            let input = json!({"n": 0, "items": [1, 2, 3, 4]});
            Machine { name, text, definition: Arc::new(parsed), input, certain, sequential }
        })
        .collect()
}

type Sketch = (&'static str, Certain, bool, Value);

fn sequential() -> Vec<Sketch> {
    let mut long_loop = counting(14, "Work");
    merge(&mut long_loop, json!({"Work": function(0, "$.n", end())}));
    let refused = json!([{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "After"}]);
    vec![
        (
            "passes",
            Certain::Crashes,
            true,
            json!({"StartAt": "A", "States": {
            "A": {"Type": "Pass", "Assign": {"seen.$": "$.items[0]"}, "Next": "B"},
            "B": {"Type": "Pass", "Result": "b", "ResultPath": "$.b", "Next": "C"},
            "C": {"Type": "Succeed"}}}),
        ),
        (
            "chain",
            Certain::Crashes,
            true,
            json!({"StartAt": "A", "States": {
            "A": {"Type": "Pass", "Next": "B"},
            "B": function(1, "$.n", json!({"Next": "C"})),
            "C": {"Type": "Wait", "Seconds": 7, "Next": "D"},
            "D": function(0, "$.result.value", json!({"Next": "E"})),
            "E": {"Type": "Succeed"}}}),
        ),
        (
            "caught",
            Certain::Crashes,
            true,
            json!({"StartAt": "A", "States": {
            "A": function(9, "$.n", json!({"Next": "Never",
                "Catch": [{"ErrorEquals": ["Own"], "ResultPath": "$.error", "Next": "B"}]})),
            "B": function(2, "$.items[1]", json!({"Next": "Ended"})),
            "Never": {"Type": "Succeed"},
            "Ended": {"Type": "Fail", "Error": "Ended", "Cause": "as it should"}}}),
        ),
        (
            "waits",
            Certain::Crashes,
            true,
            json!({"StartAt": "A", "States": {
            "A": {"Type": "Wait", "Seconds": 3, "Next": "B"},
            "B": {"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z", "Next": "C"},
            "C": {"Type": "Wait", "SecondsPath": "$.items[2]", "End": true}}}),
        ),
        // Longer than a turn: with a timer open beside it that must not hide a lost continuation.
        (
            "long_loop",
            Certain::Crashes,
            true,
            json!({"StartAt": "Count", "TimeoutSeconds": 90_000, "States": long_loop}),
        ),
        (
            "job",
            Certain::Crashes,
            true,
            json!({"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "ResultPath": null,
                "Parameters": {"JobName": "job", "Arguments": {"--ds": "2024-12-07"}}, "Next": "B"},
            "B": function(0, "$.n", end())}}),
        ),
        // Nobody has this function, and there is no such activity.
        (
            "refused",
            Certain::Crashes,
            true,
            json!({"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:nobody",
                "ResultPath": "$.result", "Catch": refused, "Next": "After"},
            "After": function(1, "$.n", json!({"Next": "B"})),
            "B": {"Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:nobody", "End": true}}}),
        ),
        (
            // Whether the answer comes before the news that the message was sent is chance.
            "callback",
            Certain::Crashes,
            false,
            json!({"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "ResultPath": "$.result",
                "Parameters": {"QueueUrl": "q", "MessageBody": {"token.$": "$$.Task.Token", "value": 3}}, "Next": "B"},
            "B": function(0, "$.n", end())}}),
        ),
        (
            "activity",
            Certain::Faults,
            true,
            json!({"StartAt": "A", "States": {
            "A": activity("$.n", json!({"Next": "B"})),
            "B": activity("$.items[3]", end())}}),
        ),
    ]
}

fn concurrent(leased: Certain) -> Vec<Sketch> {
    let inner = json!({"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "End": true,
        "ItemSelector": {"item.$": "$$.Map.Item.Value"},
        "ItemProcessor": alone("Item", function(1, "$.item", end()))});
    let waiting = json!({"StartAt": "Pause", "States": {
        "Pause": {"Type": "Wait", "Seconds": 4, "Next": "Late"},
        "Late": function(0, "$.n", end())}});
    let mut looping = counting(9, "Counted");
    merge(&mut looping, json!({"Counted": {"Type": "Succeed"}}));
    let branches = json!([alone("Plain", function(0, "$.n", end())), waiting, alone("Inner", inner)]);
    let failing = json!([
        alone("Fails", function(9, "$.n", end())),
        alone("Waits", json!({"Type": "Wait", "Seconds": 500, "End": true}))
    ]);
    let items = json!({"item.$": "$$.Map.Item.Value", "items.$": "$.items", "n": 0});
    let both = json!({"Type": "Parallel", "End": true, "Branches": [
        alone("Left", function(0, "$.item", end())), alone("Right", json!({"Type": "Pass", "End": true}))]});
    vec![
        (
            "parallel",
            leased,
            false,
            json!({"StartAt": "P", "States": {
            "P": {"Type": "Parallel", "Branches": branches, "ResultPath": "$.p", "Next": "Z"},
            "Z": {"Type": "Pass", "End": true}}}),
        ),
        (
            "map",
            leased,
            false,
            json!({"StartAt": "M", "States": {
            "M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "ItemSelector": items, "ItemProcessor": alone("Both", both),
                "ResultPath": "$.m", "Next": "Z"},
            "Z": function(0, "$.n", end())}}),
        ),
        (
            "wide_map",
            leased,
            false,
            json!({"StartAt": "M", "States": {
            "M": {"Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"item.$": "$$.Map.Item.Value"},
                "ItemProcessor": alone("Item", function(0, "$.item", end())), "End": true}}}),
        ),
        (
            "failing_branch",
            leased,
            false,
            json!({"StartAt": "P", "States": {
            "P": {"Type": "Parallel", "Branches": failing, "ResultPath": "$.p", "Next": "Z",
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Z"}]},
            "Z": {"Type": "Pass", "End": true}}}),
        ),
        // A branch that outgrows its turn while another waits for its task.
        (
            "loop_beside_task",
            leased,
            false,
            json!({"StartAt": "P", "States": {
            "P": {"Type": "Parallel", "End": true, "Branches": [
                {"StartAt": "Count", "States": looping}, alone("Task", function(0, "$.n", end()))]}}}),
        ),
        (
            "activities",
            Certain::Faults,
            false,
            json!({"StartAt": "M", "States": {
            "M": {"Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"item.$": "$$.Map.Item.Value"},
                "ItemProcessor": alone("Act", activity("$.item", end())), "End": true}}}),
        ),
    ]
}

fn timed() -> Vec<Sketch> {
    let again =
        json!([{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 2, "JitterStrategy": "FULL"}]);
    let caught = json!([{"ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Z"}]);
    let guarded = json!({"TimeoutSeconds": 30, "HeartbeatSeconds": 9, "Retry": again, "Catch": caught, "Next": "Z"});
    let branch = json!({"TimeoutSeconds": 25, "End": true});
    let endless = json!({"Type": "Pass", "Next": "Turn"});
    vec![
        (
            "guarded",
            Certain::Nothing,
            true,
            json!({"StartAt": "A", "States": {
            "A": activity("$.n", guarded), "Z": {"Type": "Pass", "End": true}}}),
        ),
        (
            "short_lived",
            Certain::Nothing,
            false,
            json!({"StartAt": "P", "TimeoutSeconds": 20, "States": {
            "P": {"Type": "Parallel", "End": true, "Branches": [
                alone("A", activity("$.n", branch)), alone("B", function(0, "$.n", end())),
                alone("C", json!({"Type": "Wait", "Seconds": 15, "End": true}))]}}}),
        ),
        (
            "timed_callback",
            Certain::Nothing,
            true,
            json!({"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "TimeoutSeconds": 70,
                "Parameters": {"QueueUrl": "q", "MessageBody": {"token.$": "$$.Task.Token"}},
                "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}], "End": true}}}),
        ),
        // Ends at the limit of the history, after many turns.
        (
            "endless",
            Certain::Nothing,
            false,
            json!({"StartAt": "P", "States": {
            "P": {"Type": "Parallel", "End": true, "Branches": [
                {"StartAt": "Turn", "States": {"Turn": {"Type": "Pass", "Next": "Back"}, "Back": endless}},
                alone("A", function(0, "$.n", end()))]}}}),
        ),
    ]
}
