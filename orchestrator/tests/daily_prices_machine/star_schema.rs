//! The star-schema state machine, run by the interpreter alone.

use asl::{Failure, StateMachine};
use serde_json::{Value, json};

use crate::interpreter::{Answer, Call, Ended, run_machine};
use crate::job_failure;

const MACHINE: &str = include_str!("../../../state-machines/star-schema.asl.json");

fn input() -> Value {
    json!({
        "ds": "2025-01-04", "silver_base": "s3://silver/star/", "gold_dim": "s3://gold/dim/",
        "gold_fact": "s3://gold/fact/", "gold_mart": "s3://gold/mart/",
    })
}

fn run(input: Value, script: impl FnMut(&Call) -> Answer) -> Ended {
    run_machine(MACHINE, input, script)
}

fn well(call: &Call) -> Answer {
    Ok(match call.state.as_str() {
        "CheckLocations" => json!({ "ok": true, "silver": {}, "gold": { "user_ltv": "s3://gold/mart/user_ltv" } }),
        "SilverToGold" | "Verify" => json!({ "Id": format!("jr_{}", call.state), "JobRunState": "SUCCEEDED" }),
        "NotifyFailure" => json!({ "MessageId": "m" }),
        other => panic!("no answer for `{other}`"),
    })
}

#[test]
fn the_star_schema_machine_is_valid_and_has_no_warnings() {
    StateMachine::parse(MACHINE, false).unwrap_or_else(|findings| panic!("{findings:#?}"));
    assert_eq!(StateMachine::warnings(MACHINE), []);
}

#[test]
fn a_snapshot_is_checked_built_and_verified() {
    let ended = run(input(), well);
    assert_eq!(ended.states(), ["CheckLocations", "SilverToGold", "Verify"]);
    let names: Vec<&str> = ended.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names, ["dev-star-schema-check-locations", "dev-silver-to-gold-star-schema", "dev-star-schema-verify"]);
    assert_eq!(
        ended.calls[0].input["Payload"],
        json!({
            "silver_base": "s3://silver/star/", "gold_dim": "s3://gold/dim/", "gold_fact": "s3://gold/fact/",
            "gold_mart": "s3://gold/mart/", "quarantine_base": "", "metrics_base": "",
        })
    );
    let arguments = &ended.calls[1].input["Arguments"];
    assert_eq!(
        arguments,
        &json!({
            "--ds": "2025-01-04", "--environment": "dev", "--SILVER_BASE": "s3://silver/star/",
            "--GOLD_DIM": "s3://gold/dim/", "--GOLD_FACT": "s3://gold/fact/", "--GOLD_MART": "s3://gold/mart/",
            "--METRICS_BASE": "", "--QUARANTINE_BASE": "", "--max_null_event_id_rate": "0.05", "--partition_facts": "true",
        })
    );
    let output = ended.output();
    assert_eq!(output["glueRunIds"], json!(["jr_SilverToGold", "jr_Verify"]));
    assert_eq!((&output["ok"], &output["correlationId"]), (&json!(true), &json!("star-schema:2025-01-04")));
}

/// Answers well, except that the first `times` calls of a state fail.
fn failing(state: &'static str, times: usize, failure: Failure) -> impl FnMut(&Call) -> Answer {
    let mut failed = 0;
    move |call| {
        if call.state == state && failed < times {
            failed += 1;
            return Err(failure.clone());
        }
        well(call)
    }
}

#[test]
fn what_passes_by_itself_is_tried_so_often_as_its_code_allows_and_nothing_else_is() {
    let job = |code: &str| job_failure(&format!("{code}: the reason"));
    for (failure, code, retries) in [
        (job("STORAGE_ERROR"), "STORAGE_ERROR", 1),
        (job("CONCURRENT_RUNS_EXCEEDED"), "CONCURRENT_RUNS_EXCEEDED", 1),
        (job("CATALOG_FAILED"), "CATALOG_FAILED", 2),
        (job("the job ran out of memory"), "GLUE_JOB_FAILED", 1),
        (Failure::new("Glue.ConcurrentRunsExceededException", "one runs"), "CONCURRENT_RUNS_EXCEEDED", 1),
        (Failure::new("States.Timeout", ""), "TIMEOUT", 1),
        (job("DQ_FAILED"), "DQ_FAILED", 0),
        (job("SCHEMA_VALIDATION_FAILED"), "SCHEMA_VALIDATION_FAILED", 0),
        (job("SILVER_INPUT_MISSING"), "SILVER_INPUT_MISSING", 0),
        (job("GOLD_OUTPUT_MISSING"), "GOLD_OUTPUT_MISSING", 0),
        (job("PRE_VALIDATION_FAILED"), "PRE_VALIDATION_FAILED", 0),
    ] {
        let once = run(input(), failing("SilverToGold", 1, failure.clone()));
        assert_eq!(once.of("SilverToGold").len(), if retries > 0 { 2 } else { 1 }, "{code}: {:?}", once.states());
        if retries > 0 {
            assert_eq!(once.output()["ok"], json!(true), "{code}");
        }
        let always = run(input(), failing("SilverToGold", usize::MAX, failure));
        assert_eq!(always.of("SilverToGold").len(), retries + 1, "{code}: never once more");
        assert_eq!(always.failure().0, code);
        assert_eq!(always.of("NotifyFailure").len(), 1, "{code}: told once");
        let told = &always.of("NotifyFailure")[0].input;
        assert_eq!(told["TopicArn"], "arn:aws:sns:us-east-1:123456789012:dev-data-platform-alerts");
        assert_eq!(told["Subject"], format!("star-schema:2025-01-04 failed: {code}"));
        assert_eq!((&told["Message"]["ds"], &told["Message"]["state"]), (&json!("2025-01-04"), &json!("SilverToGold")));
    }
}

#[test]
fn a_failure_of_any_step_is_told_and_ends_the_run() {
    for (state, failure, code) in [
        (
            "CheckLocations",
            Failure::new("SILVER_INPUT_MISSING", r#"{"errorMessage":"users in s3://silver"}"#),
            "SILVER_INPUT_MISSING",
        ),
        ("Verify", job_failure("GOLD_OUTPUT_MISSING: user_ltv has no data file"), "GOLD_OUTPUT_MISSING"),
    ] {
        let ended = run(input(), failing(state, usize::MAX, failure));
        assert_eq!(ended.failure().0, code);
        assert_eq!(ended.of("NotifyFailure").len(), 1, "{state}");
    }
    let ended = run(input(), |call| match call.state.as_str() {
        "SilverToGold" => Err(job_failure("DQ_FAILED: no")),
        "NotifyFailure" => Err(Failure::new("SNS.NotFoundException", "no topic")),
        _ => well(call),
    });
    assert_eq!(ended.failure(), ("DQ_FAILED", "DQ_FAILED: no"), "a notification that fails hides nothing");
}

#[test]
fn an_input_without_its_places_is_refused() {
    for (field, value) in [("ds", Value::Null), ("gold_dim", json!(5)), ("silver_base", Value::Null)] {
        let mut given = input();
        given[field] = value;
        let ended = run(given, well);
        assert_eq!(ended.failure().0, "PRE_VALIDATION_FAILED", "{field}");
        assert_eq!(ended.states(), ["NotifyFailure"], "{field}");
    }
}
