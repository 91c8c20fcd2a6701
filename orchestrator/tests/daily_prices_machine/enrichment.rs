//! The two enrichment machines by the interpreter alone: what is tried again, and from where.

use asl::{Failure, StateMachine};
use serde_json::{Value, json};

use crate::interpreter::{Answer, Call, Ended, run_machine};
use crate::job_failure;

const DAILY: &str = include_str!("../../../state-machines/enrichment.asl.json");
const STREAM: &str = include_str!("../../../state-machines/enrichment-stream.asl.json");

/// `DQ_FAILED`, which nothing tries again: the end of a stream.
const END: &str = "DQ_FAILED: gold is not published";

fn run(machine: &str, script: impl FnMut(&Call) -> Answer) -> Ended {
    run_machine(machine, json!({ "ds": "2025-06-11", "root": "s3://dev-enrichment" }), script)
}

fn well(call: &Call) -> Answer {
    Ok(match call.state.as_str() {
        "NotifyFailure" => json!({ "MessageId": "m" }),
        "Summary" => json!({ "ds": "2025-06-11", "partitions": [{ "ds": "2025-06-11" }], "skipped": [] }),
        _ => json!({ "Id": format!("jr_{}", call.state), "JobRunState": "SUCCEEDED" }),
    })
}

/// Answers well, except that the calls of a state with these numbers, from 0, fail.
fn failing(state: &str, which: impl Fn(usize) -> bool, failure: Failure) -> impl FnMut(&Call) -> Answer {
    let mut calls = 0;
    move |call| {
        if call.state == state {
            calls += 1;
            if which(calls - 1) {
                return Err(failure.clone());
            }
        }
        well(call)
    }
}

/// The seconds from the beginning to each call of a state.
fn at(ended: &Ended, state: &str) -> Vec<i64> {
    ended.of(state).iter().map(|call| call.at_ms / 1000).collect()
}

#[test]
fn the_machines_are_valid_and_have_no_warnings() {
    for machine in [DAILY, STREAM] {
        StateMachine::parse(machine, false).unwrap_or_else(|findings| panic!("{findings:#?}"));
        assert_eq!(StateMachine::warnings(machine), []);
    }
}

#[test]
fn a_day_is_silver_then_gold_then_maintenance() {
    let ended = run(DAILY, well);
    assert_eq!(ended.states()[..2], ["Silver", "Gold"]);
    assert_eq!(ended.states().len(), 6, "three tables and the summary: {:?}", ended.states());
    assert_eq!(ended.output()["partitions"][0]["ds"], "2025-06-11");
    let results = &ended.of("Summary")[0].input["Payload"]["results"];
    for (state, field) in [("Silver", "silver"), ("Gold", "gold")] {
        assert_eq!(ended.of(state)[0].input["Arguments"]["--result_path"], results[field], "{state}");
    }
}

#[test]
fn what_passes_by_itself_is_tried_again_where_it_failed_so_often_as_its_code_allows() {
    let job = |code: &str| job_failure(&format!("{code}: the reason"));
    for (failure, code, retries) in [
        (job("STORAGE_ERROR"), "STORAGE_ERROR", 3),
        (job("CONCURRENT_RUNS_EXCEEDED"), "CONCURRENT_RUNS_EXCEEDED", 3),
        (Failure::new("States.Timeout", ""), "TIMEOUT", 3),
        (job("CATALOG_FAILED"), "CATALOG_FAILED", 2),
        (job("the worker was lost"), "GLUE_JOB_FAILED", 1),
        (job("UNEXPECTED_ERROR"), "UNEXPECTED_ERROR", 1),
        (job("DQ_FAILED"), "DQ_FAILED", 0),
        (job("MISSING_COLUMNS"), "MISSING_COLUMNS", 0),
        (job("PRE_VALIDATION_FAILED"), "PRE_VALIDATION_FAILED", 0),
    ] {
        for (machine, state, first) in
            [(DAILY, "Silver", 0), (DAILY, "Gold", 1), (DAILY, "high_risk_txns", 1), (STREAM, "CatchUp", 0)]
        {
            let always = run(machine, failing(state, |_| true, failure.clone()));
            assert_eq!(always.of(state).len(), retries + 1, "{state} {code}: {:?}", always.states());
            assert_eq!(always.of("Silver").len(), if state == "Silver" { retries + 1 } else { first }, "{state}");
            assert_eq!(always.failure().0, code, "{state}");
            let told = always.of("NotifyFailure");
            assert_eq!((told.len(), &told[0].input["Message"]["error"]["code"]), (1, &json!(code)), "{state}");
        }
        if retries > 0 {
            let ended = run(DAILY, failing("Gold", |n| n < retries, failure));
            assert_eq!(ended.output()["partitions"][0]["ds"], "2025-06-11", "{code}");
            assert_eq!(ended.of("Silver").len(), 1, "{code}: its result is the run's");
            let inputs: Vec<&Value> = ended.of("Gold").iter().map(|call| &call.input).collect();
            assert!(inputs.windows(2).all(|pair| pair[0] == pair[1]), "{code}: the same again");
        }
    }
}

#[test]
fn pauses_grow_and_each_step_has_its_own_attempts() {
    let storage = job_failure("STORAGE_ERROR: the store is away");
    let ended = run(DAILY, failing("Silver", |n| n < 3, storage.clone()));
    assert_eq!(at(&ended, "Silver"), [0, 60, 180, 420]);
    ended.output();
    let mut silver = failing("Silver", |n| n < 3, storage.clone());
    let mut gold = failing("Gold", |n| n < 3, storage);
    let both = run(DAILY, |call| if call.state == "Gold" { gold(call) } else { silver(call) });
    both.output();
    assert_eq!(at(&both, "Gold"), [420, 480, 600, 840]);
}

#[test]
fn a_stream_catches_up_before_its_first_segment_and_after_a_failure() {
    let ended = run(STREAM, failing("Follow", |n| n == 2, job_failure(END)));
    let of_gold: Vec<&str> = ended.states().into_iter().filter(|state| ["CatchUp", "Follow"].contains(state)).collect();
    assert_eq!(of_gold, ["CatchUp", "Follow", "Follow", "Follow"], "maintenance between the segments");
    let arguments = |state: &str| ended.of(state)[0].input["Arguments"].clone();
    let (catch_up, mut follow) = (arguments("CatchUp"), arguments("Follow"));
    assert_eq!((&catch_up["--trigger"], &catch_up["--optimize"]), (&json!("available_now"), &json!("false")));
    assert_eq!(follow["--trigger"], "continuous");
    for (name, _) in catch_up.as_object().unwrap() {
        follow[name] = catch_up[name].clone();
    }
    let more = |name: &&String| !catch_up.as_object().unwrap().contains_key(*name);
    let more: Vec<&String> = follow.as_object().unwrap().keys().filter(more).collect();
    assert_eq!(more, ["--poll_secs", "--run_secs"], "the same places otherwise");
    assert_eq!(ended.failure(), ("DQ_FAILED", END));
}

#[test]
fn outages_end_a_stream_only_if_no_segment_is_good_between_them() {
    let storage = || job_failure("STORAGE_ERROR: the store is away");
    // Two failures, a good segment, three failures, a good one: the count begins anew after each.
    let mut follow = failing("Follow", |n| [0, 1, 3, 4, 5].contains(&n), storage());
    let mut calls = 0;
    let ended = run(STREAM, |call| {
        calls += usize::from(call.state == "Follow");
        if calls == 8 { Err(job_failure(END)) } else { follow(call) }
    });
    assert_eq!(ended.failure().0, "DQ_FAILED", "{:?}", ended.states());
    assert_eq!((ended.of("Follow").len(), ended.of("CatchUp").len()), (8, 6));
    let segments = at(&ended, "Follow");
    let pauses: Vec<i64> = segments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [300, 600, 0, 300, 600, 1200, 0]);

    let always = run(STREAM, failing("Follow", |_| true, storage()));
    assert_eq!(
        (always.of("Follow").len(), always.failure().0),
        (4, "STORAGE_ERROR"),
        "a good catch-up is no good segment"
    );
    let maintenance = run(STREAM, failing("user_spend_summary", |n| n == 0, storage()));
    assert!(
        maintenance.of("user_spend_summary").len() > 1 && maintenance.of("CatchUp").len() == 1,
        "goes on where it was"
    );
}

#[test]
fn an_input_without_its_place_is_refused() {
    for machine in [DAILY, STREAM] {
        let ended = run_machine(machine, json!({ "ds": "2025-06-11" }), well);
        assert_eq!(ended.failure().0, "PRE_VALIDATION_FAILED");
        assert_eq!(ended.states(), ["NotifyFailure"]);
    }
}
