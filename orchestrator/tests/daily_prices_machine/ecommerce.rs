//! The e-commerce state machine by the interpreter alone: who is called, with what, and what is tried again.

use asl::Failure;
use serde_json::{Value, json};

use crate::interpreter::{Answer, Call, Ended, run_machine};

const MACHINE: &str = include_str!("../../../state-machines/ecommerce.asl.json");

fn run(script: impl FnMut(&Call) -> Answer) -> Ended {
    run_machine(MACHINE, json!({ "ds": "2025-04-15", "bucket": "shop", "days_back": 15 }), script)
}

fn well(call: &Call) -> Answer {
    Ok(match call.state.as_str() {
        "NotifyFailure" => json!({ "MessageId": "m" }),
        "Outcome" => {
            json!({ "ds": call.input["Payload"]["ds"], "partitions": ["2025-04-15"], "skipped": [] })
        }
        _ => json!({ "Id": format!("jr_{}", call.state), "JobRunState": "SUCCEEDED" }),
    })
}

const MAINTENANCE: &str = include_str!("../../../state-machines/ecommerce-maintenance.asl.json");

/// A Glue job's failure as the service gives it.
fn failed(message: &str) -> Failure {
    let cause = json!({ "JobName": "x", "JobRunState": "FAILED", "ErrorMessage": message }).to_string();
    Failure { error: Some("States.TaskFailed".into()), cause: Some(cause) }
}

#[test]
fn bronze_comes_before_silver_before_gold_before_the_catalog() {
    let ended = run(well);
    assert_eq!(ended.output(), &json!({ "ds": "2025-04-15", "partitions": ["2025-04-15"], "skipped": [] }));
    let jobs: Vec<&str> = ended.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(
        jobs,
        [
            "dev-ecommerce-bronze",
            "dev-ecommerce-bronze",
            "dev-ecommerce-bronze",
            "dev-ecommerce-silver",
            "dev-ecommerce-silver",
            "dev-ecommerce-silver",
            "dev-daily-sales",
            "dev-product-performance",
            "dev-department-analytics",
            "dev-customer-insights",
            "dev-ecommerce-catalog",
            "dev-ecommerce-outcome",
        ]
    );
    let arguments = |state: &str| ended.of(state)[0].input["Arguments"].clone();
    assert_eq!(
        arguments("BronzeOrderItems"),
        json!({ "--table": "order_items", "--bucket-name": "shop", "--region": "us-east-1" })
    );
    let mut daily = arguments("DailySales");
    assert_eq!((daily["--date"].take(), daily["--days-back"].take()), (json!("2025-04-15"), json!("15")));
    assert_eq!(arguments("CustomerInsights")["--lookback-days"], "90", "defaults for what the input leaves out");
    // The outcome reads the results where the gold jobs left them.
    let results = ended.of("Outcome")[0].input["Payload"]["results"].as_object().unwrap().clone();
    assert_eq!(results.len(), 4);
    for (job, uri) in results {
        let call = ended.calls.iter().find(|call| call.name == format!("dev-{job}")).unwrap();
        assert_eq!(call.input["Arguments"]["--result_path"], uri, "{job}");
        assert!(uri.as_str().unwrap().starts_with("s3://shop/metadata/runs/"), "{uri}");
    }
}

#[test]
fn a_transient_failure_is_tried_again_three_times_with_growing_pauses() {
    let mut failures = 3;
    let ended = run(|call| match call.state.as_str() {
        "SilverOrders" if failures > 0 => {
            failures -= 1;
            Err(failed("STORAGE_ERROR: cannot read `s3://shop/silver`"))
        }
        _ => well(call),
    });
    ended.output();
    let at: Vec<i64> = ended.of("SilverOrders").iter().map(|call| call.at_ms / 1000).collect();
    assert_eq!(at, [0, 60, 180, 420], "pauses of 60, 120 and 240 seconds");

    let ended = run(|call| match call.state.as_str() {
        "SilverOrders" => Err(failed("STORAGE_ERROR: cannot read `s3://shop/silver`")),
        _ => well(call),
    });
    assert_eq!(ended.failure().0, "STORAGE_ERROR");
    assert_eq!(ended.of("SilverOrders").len(), 4);
    assert!(ended.of("DailySales").is_empty(), "gold waits for all of silver");
}

#[test]
fn failed_checks_are_not_tried_again_and_end_in_one_message() {
    for code in ["DQ_FAILED", "SCHEMA_VALIDATION_FAILED", "SILVER_INPUT_MISSING", "PRE_VALIDATION_FAILED"] {
        let ended = run(|call| match call.state.as_str() {
            "DailySales" => Err(failed(&format!("{code}: key: expected 3, found 2"))),
            _ => well(call),
        });
        let (error, cause) = ended.failure();
        assert_eq!(error, code);
        assert_eq!(cause, format!("{code}: key: expected 3, found 2 (daily-sales)"), "the branch is named");
        assert_eq!(ended.of("DailySales").len(), 1, "{code}");
        let messages = ended.of("NotifyFailure");
        assert_eq!(messages.len(), 1, "{code}");
        let message: &Value = &messages[0].input["Message"];
        assert_eq!(
            (&message["error"]["code"], &message["state"], &message["ds"]),
            (&json!(code), &json!("Gold"), &json!("2025-04-15"))
        );
        assert_eq!(messages[0].name, "arn:aws:sns:us-east-1:123456789012:dev-data-platform-alerts");
    }
}

#[test]
fn a_run_without_orders_ends_well_and_says_that_its_date_was_skipped() {
    let skipped = json!([{ "ds": "2025-04-15", "code": "EMPTY_WINDOW", "reason": "no orders" }]);
    let ended = run(|call| match call.state.as_str() {
        "Outcome" => Ok(json!({ "ds": "2025-04-15", "partitions": [], "skipped": skipped })),
        _ => well(call),
    });
    assert_eq!((&ended.output()["partitions"], &ended.output()["skipped"]), (&json!([]), &skipped));
    let ended = run(|call| match call.state.as_str() {
        "Outcome" => Err(Failure { error: Some("PRE_VALIDATION_FAILED".into()), cause: Some("no place".into()) }),
        _ => well(call),
    });
    assert_eq!(ended.failure(), ("PRE_VALIDATION_FAILED", "no place"));
}

#[test]
fn refused_runs_and_timeouts_are_tried_again() {
    for (error, cause) in
        [("Glue.ConcurrentRunsExceededException", "another run (Service: AWSGlue)"), ("States.Timeout", "")]
    {
        let mut first = true;
        let ended = run(|call| match call.state.as_str() {
            "RegisterTables" if std::mem::take(&mut first) => {
                Err(Failure { error: Some(error.into()), cause: Some(cause.into()) })
            }
            _ => well(call),
        });
        ended.output();
        assert_eq!(ended.of("RegisterTables").len(), 2, "{error}");
    }
}

#[test]
fn an_input_without_its_texts_is_refused_before_any_job() {
    for input in [
        json!({}),
        json!({ "ds": "2025-04-15" }),
        json!({ "ds": "soon", "bucket": "shop" }),
        json!({ "ds": 1, "bucket": "shop" }),
        json!({ "ds": "2024-02-30", "bucket": "shop" }),
        json!({ "ds": "2025-02-29", "bucket": "shop" }),
        json!({ "ds": "1900-02-29", "bucket": "shop" }),
        json!({ "ds": "2025-04-31", "bucket": "shop" }),
        json!({ "ds": "2025-13-01", "bucket": "shop" }),
        json!({ "ds": "2025-04-15x", "bucket": "shop" }),
    ] {
        let ended = run_machine(MACHINE, input.clone(), well);
        assert_eq!(ended.failure().0, "PRE_VALIDATION_FAILED", "{input}");
        assert_eq!(ended.states(), ["NotifyFailure"], "{input}");
        let ended = run_machine(MAINTENANCE, input.clone(), well);
        assert_eq!((ended.failure().0, ended.states()), ("PRE_VALIDATION_FAILED", vec!["NotifyFailure"]), "{input}");
    }
    for ds in ["2024-02-29", "2000-02-29", "2025-12-31", "2025-11-30"] {
        run_machine(MACHINE, json!({ "ds": ds, "bucket": "shop" }), well).output();
    }
}

#[test]
fn upkeep_is_one_job_with_the_same_retries_and_message() {
    let input = json!({ "ds": "2025-04-20", "bucket": "shop" });
    let ended = run_machine(MAINTENANCE, input.clone(), well);
    assert_eq!(ended.output()["partitions"], json!(["2025-04-20"]));
    assert_eq!(ended.calls[0].name, "dev-ecommerce-maintenance");
    let ended = run_machine(MAINTENANCE, input, |call| match call.state.as_str() {
        "Maintenance" => Err(failed("STORAGE_ERROR: cannot list `s3://shop/gold`")),
        _ => well(call),
    });
    assert_eq!(ended.failure().0, "STORAGE_ERROR");
    assert_eq!((ended.of("Maintenance").len(), ended.of("NotifyFailure").len()), (4, 1));
}
