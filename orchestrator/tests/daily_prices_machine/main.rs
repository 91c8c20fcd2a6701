//! The daily-prices state machine, run by the interpreter alone: what each task answers is scripted, what the machine
//! makes of it is checked.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod ecommerce;
mod enrichment;
mod interpreter;
mod star_schema;

use asl::{Failure, StateMachine};
use serde_json::{Value, json};

use interpreter::{Answer, Call, MACHINE, run};

/// Answers as the workers do when all is well; the crawler is needed and takes one look longer.
fn well(call: &Call) -> Answer {
    let payload = &call.input["Payload"];
    Ok(match call.state.as_str() {
        "PlanDays" => json!({ "dates": [day("2024-12-04"), day("2024-12-05"), day("2024-12-06")] }),
        "Preflight" => day(payload["ds"].as_str().unwrap()),
        "Compaction" | "Transform" | "Indicators" => {
            json!({ "Id": format!("jr_{}_{}", call.state, call.input["Arguments"]["--ds"].as_str().unwrap()), "JobRunState": "SUCCEEDED" })
        }
        "Guard" => json!({ "ds": payload["ds"], "objectCount": 1, "shouldProcess": true, "s3Uri": "s3://c/" }),
        "DecideCrawler" => {
            json!({ "ds": payload["ds"], "shouldRunCrawler": true, "reason": "new", "stats": { "rowCount": 8, "bytesWritten": 1, "fileCount": 2 } })
        }
        "Aggregate" => json!({
            "ok": true,
            "items": payload["items"],
            "shouldRunCrawler": payload["items"].as_array().unwrap().iter().any(|item| item["shouldRunCrawler"] == true),
        }),
        "StartCrawler" => json!({}),
        "GetCrawler" => {
            json!({ "Crawler": { "Name": call.name, "State": "READY", "LastCrawl": { "Status": "SUCCEEDED" } } })
        }
        "NotifyDayFailure" | "NotifyFailure" => json!({ "MessageId": "m" }),
        other => panic!("no answer for `{other}`"),
    })
}

fn day(ds: &str) -> Value {
    let table = |name: &str| format!("market/{name}/");
    json!({
        "proceed": true, "reason": "Ready to process", "ds": ds, "catalog_update": "on_schema_change",
        "glue_args": {
            "--ds": ds, "--compacted_bucket": "curated", "--compacted_prefix": "market/prices/compacted",
            "--curated_bucket": "curated", "--curated_prefix": table("prices"),
            "--schema_fingerprint_s3_uri": "s3://artifacts/market/prices/_schema/latest.json",
        },
        "indicators_args": {
            "--ds": ds, "--output_bucket": "curated", "--output_prefix": table("indicators"),
            "--schema_fingerprint_s3_uri": "s3://artifacts/market/indicators/_schema/latest.json",
        },
    })
}

fn input() -> Value {
    json!({ "ds": "2024-12-06", "domain": "market", "table_name": "prices", "raw_bucket": "raw" })
}

fn with(changes: Value) -> Value {
    let mut input = input();
    for (field, value) in changes.as_object().unwrap() {
        input[field] = value.clone();
    }
    input
}

fn job_failure(message: &str) -> Failure {
    let run = json!({ "Id": "jr_1", "JobRunState": "FAILED", "ErrorMessage": message });
    Failure::new("States.TaskFailed", run.to_string())
}

#[test]
fn the_machine_is_valid_and_has_no_warnings() {
    StateMachine::parse(MACHINE, false).unwrap_or_else(|findings| panic!("{findings:#?}"));
    assert_eq!(StateMachine::warnings(MACHINE), []);
}

#[test]
fn a_good_day_goes_through_every_step() {
    let ended = run(input(), well);
    assert_eq!(
        ended.states(),
        [
            "Preflight",
            "Compaction",
            "Guard",
            "Transform",
            "Indicators",
            "DecideCrawler",
            "Aggregate",
            "StartCrawler",
            "GetCrawler"
        ]
    );
    let names: Vec<&str> = ended.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "dev-daily-prices-preflight",
            "dev-daily-prices-compaction",
            "dev-daily-prices-guard",
            "dev-daily-prices-data-etl",
            "dev-market-indicators-etl",
            "dev-daily-prices-decide-crawler",
            "dev-daily-prices-aggregate",
            "dev-curated-data-crawler",
            "dev-curated-data-crawler",
        ]
    );
    let item = &ended.output()["items"][0];
    assert_eq!(
        item["glueRunIds"],
        json!(["jr_Compaction_2024-12-06", "jr_Transform_2024-12-06", "jr_Indicators_2024-12-06"])
    );
}

#[test]
fn defaults_are_given_and_what_is_given_wins() {
    let ended = run(with(json!({ "environment": "prod", "interval": "1wk" })), well);
    let preflight = ended.of("Preflight")[0];
    assert_eq!(preflight.name, "prod-daily-prices-preflight");
    assert_eq!(
        preflight.input["Payload"],
        json!({
            "ds": "2024-12-06", "domain": "market", "table_name": "prices", "indicators_table_name": "indicators",
            "file_type": "json", "interval": "1wk", "data_source": "yahoo_finance", "catalog_update": "on_schema_change",
            "reprocess": false, "environment": "prod", "raw_bucket": "raw",
        })
    );
    let results = "s3://curated/market/prices/_runs/run-1/2024-12-06";
    assert_eq!(ended.of("Compaction")[0].input["Arguments"]["--result_path"], format!("{results}-compaction.json"));
    assert_eq!(ended.of("Guard")[0].input["Payload"]["compaction_result_uri"], format!("{results}-compaction.json"));
    let tables = &ended.of("DecideCrawler")[0].input["Payload"]["tables"];
    assert_eq!(tables[0]["result_uri"], format!("{results}-transform.json"));
    assert_eq!(
        (&tables[1]["prefix"], &tables[1]["result_uri"]),
        (&json!("market/indicators/"), &json!(format!("{results}-indicators.json")))
    );
}

#[test]
fn the_old_name_of_the_table_is_understood() {
    let ended = run(json!({ "ds": "2024-12-06", "domain": "market", "table": "prices", "raw_bucket": "raw" }), well);
    assert_eq!(ended.of("Preflight")[0].input["Payload"]["table_name"], "prices");
}

#[test]
fn a_processed_day_is_skipped_and_needs_no_crawler() {
    let skip = json!({ "proceed": false, "reason": "Already processed", "ds": "2024-12-06", "error": { "code": "IDEMPOTENT_SKIP", "message": "Already processed" } });
    let ended = run(input(), |call| if call.state == "Preflight" { Ok(skip.clone()) } else { well(call) });
    assert_eq!(ended.states(), ["Preflight", "Aggregate"]);
    assert_eq!(ended.output()["items"], json!([skip]));
}

#[test]
fn an_empty_day_ends_at_the_guard() {
    let ended = run(input(), |call| match call.state.as_str() {
        "Guard" => Ok(json!({ "ds": "2024-12-06", "shouldProcess": false, "reason": "NO_RAW_DATA" })),
        _ => well(call),
    });
    assert_eq!(ended.states(), ["Preflight", "Compaction", "Guard", "Aggregate"]);
    let item = json!({ "ds": "2024-12-06", "shouldProcess": false, "reason": "NO_RAW_DATA", "glueRunIds": ["jr_Compaction_2024-12-06"] });
    assert_eq!(ended.output()["items"], json!([item]));
}

#[test]
fn a_day_whose_prices_are_in_resumes_at_the_indicators() {
    let ended = run(input(), |call| {
        let mut answer = well(call)?;
        if call.state == "Preflight" {
            answer["resume_from"] = json!("indicators");
        }
        Ok(answer)
    });
    assert_eq!(ended.states()[..3], ["Preflight", "Indicators", "DecideCrawler"]);
}

#[test]
fn every_failure_ends_with_its_code_and_is_told_once() {
    let function = |code: &str, message: &str| {
        Failure::new(code, json!({ "errorMessage": message, "errorType": code }).to_string())
    };
    for (state, failure, code, message) in [
        (
            "Transform",
            job_failure("DQ_FAILED: null symbol present (3 records); Critical Error Rate: 12.00% (threshold: 5%)"),
            "DQ_FAILED",
            "DQ_FAILED: null symbol present (3 records); Critical Error Rate: 12.00% (threshold: 5%)",
        ),
        (
            "Indicators",
            job_failure("Error Category: UNCLASSIFIED_ERROR; Python died"),
            "GLUE_JOB_FAILED",
            "Error Category: UNCLASSIFIED_ERROR; Python died",
        ),
        ("Compaction", Failure::named("States.Timeout"), "TIMEOUT", "Compaction gave no cause"),
        (
            "Compaction",
            Failure::new("Glue.EntityNotFoundException", "no such job"),
            "Glue.EntityNotFoundException",
            "no such job",
        ),
        (
            "Guard",
            function("STORAGE_ERROR", "Failed to inspect compaction output"),
            "STORAGE_ERROR",
            "Failed to inspect compaction output",
        ),
        ("Preflight", Failure::default(), "UNEXPECTED_ERROR", "Preflight gave no cause"),
        ("DecideCrawler", function("PRE_VALIDATION_FAILED", "{odd} text"), "PRE_VALIDATION_FAILED", "{odd} text"),
        ("Transform", Failure::new("States.TaskFailed", "{ cut JSO"), "States.TaskFailed", "{ cut JSO"),
    ] {
        let ended = run(input(), |call| if call.state == state { Err(failure.clone()) } else { well(call) });
        assert_eq!(ended.failure(), (code, message), "{state}");
        let told = ended.of("NotifyDayFailure");
        assert_eq!(told.len(), 1, "{state}");
        assert_eq!(told[0].name, "arn:aws:sns:us-east-1:123456789012:dev-data-platform-alerts");
        assert_eq!(
            told[0].input["Message"],
            json!({
                "ok": false, "correlationId": "market:prices:2024-12-06",
                "error": { "code": code, "message": message, "partition": "2024-12-06" }, "state": state,
                "ds": "2024-12-06", "execution": "arn:aws:states:us-east-1:123456789012:execution:daily-prices:run-1",
            })
        );
        assert_eq!(told[0].input["Subject"], format!("market:prices:2024-12-06 failed: {code}"));
    }
}

#[test]
fn a_refusal_of_preflight_is_a_failure() {
    let refusal = json!({ "proceed": false, "reason": "x", "ds": "2024-12-06", "error": { "code": "PRE_VALIDATION_FAILED", "message": "no bucket" } });
    let ended = run(input(), |call| if call.state == "Preflight" { Ok(refusal.clone()) } else { well(call) });
    assert_eq!(ended.failure(), ("PRE_VALIDATION_FAILED", "no bucket"));
    assert_eq!(ended.states(), ["Preflight", "NotifyDayFailure"]);
}

#[test]
fn transient_errors_are_tried_again_and_data_errors_are_not() {
    let concurrent = Failure::new("Glue.ConcurrentRunsExceededException", "busy");
    for (state, failure, attempts) in [
        ("Preflight", Failure::new("Lambda.ServiceException", "x"), 3),
        ("Guard", Failure::new("STORAGE_ERROR", "x"), 3),
        ("Compaction", concurrent.clone(), 6),
        ("Transform", concurrent.clone(), 6),
        ("Indicators", concurrent, 6),
        ("Transform", job_failure("DQ_FAILED: x"), 1),
        ("Indicators", job_failure("MISSING_COLUMNS: [close]"), 1),
        ("Preflight", Failure::new("PRE_VALIDATION_FAILED", "x"), 1),
        ("StartCrawler", Failure::new("Glue.OperationTimeoutException", "x"), 3),
    ] {
        let ended = run(input(), |call| if call.state == state { Err(failure.clone()) } else { well(call) });
        assert_eq!(ended.of(state).len(), attempts, "{state} {failure:?}");
    }
}

#[test]
fn a_notification_that_fails_hides_nothing() {
    let ended = run(input(), |call| match call.state.as_str() {
        "Transform" => Err(job_failure("DQ_FAILED: x")),
        "NotifyDayFailure" => Err(Failure::new("SNS.NotFoundException", "Topic does not exist")),
        _ => well(call),
    });
    assert_eq!(ended.failure(), ("DQ_FAILED", "DQ_FAILED: x"));
}

#[test]
fn a_backfill_takes_its_days_one_after_the_other_and_crawls_once() {
    let range = json!({ "date_range": { "start": "2024-12-04", "end": "2024-12-06" }, "ds": null });
    let ended = run(with(range), well);
    let days: Vec<&Value> = ended.of("Indicators").iter().map(|call| &call.input["Arguments"]["--ds"]).collect();
    assert_eq!(days, ["2024-12-04", "2024-12-05", "2024-12-06"]);
    let chain = ["Preflight", "Compaction", "Guard", "Transform", "Indicators", "DecideCrawler"];
    assert_eq!(ended.states()[1..19], [chain, chain, chain].concat());
    assert_eq!(ended.of("StartCrawler").len(), 1);
}

#[test]
fn manifests_name_their_days() {
    let keys = json!([{ "ds": "2024-12-06", "manifest_key": "a" }, { "ds": "2024-12-05", "manifest_key": "b" }, { "ds": "2024-12-06", "manifest_key": "c" }]);
    let ended =
        run(json!({ "manifest_keys": keys, "domain": "market", "table_name": "prices", "raw_bucket": "raw" }), well);
    let days: Vec<&Value> = ended.of("Preflight").iter().map(|call| &call.input["Payload"]["ds"]).collect();
    assert_eq!(days, ["2024-12-06", "2024-12-05"]);
}

#[test]
fn a_failed_day_ends_the_backfill() {
    let range = json!({ "date_range": { "start": "2024-12-04", "end": "2024-12-06" } });
    let ended = run(with(range), |call| {
        if call.state == "Transform" && call.input["Arguments"]["--ds"] == "2024-12-05" {
            return Err(job_failure("DQ_FAILED: x"));
        }
        well(call)
    });
    assert_eq!(ended.failure().0, "DQ_FAILED");
    assert_eq!((ended.of("Preflight").len(), ended.of("NotifyDayFailure").len()), (2, 1));
    assert_eq!(ended.of("NotifyDayFailure")[0].input["Message"]["error"]["partition"], "2024-12-05");
}

#[test]
fn inputs_that_name_nothing_to_do_are_refused() {
    for input in [
        json!({}),
        json!({ "ds": "2024-12-06", "domain": "market", "table_name": "prices" }),
        json!({ "domain": "market", "table_name": "prices", "raw_bucket": "raw" }),
        json!({ "domain": "market", "table_name": "prices", "raw_bucket": "raw", "manifest_keys": [] }),
        json!({ "domain": 1, "table_name": "prices", "raw_bucket": "raw", "ds": "2024-12-06" }),
    ] {
        let ended = run(input.clone(), well);
        let (code, message) = ended.failure();
        assert_eq!((code, message.contains("date_range {start, end}")), ("PRE_VALIDATION_FAILED", true), "{input}");
        assert_eq!(ended.states(), ["NotifyFailure"], "{input}");
    }
}

#[test]
fn a_range_that_preflight_refuses_fails_with_its_words() {
    let refusal = json!({ "proceed": false, "reason": "x", "error": { "code": "PRE_VALIDATION_FAILED", "message": "`date_range.start` is `soon`" } });
    let ended = run(with(json!({ "date_range": { "start": "soon", "end": "2024-12-06" } })), |call| {
        match call.state.as_str() {
            "PlanDays" => Ok(refusal.clone()),
            _ => well(call),
        }
    });
    assert_eq!(ended.failure(), ("PRE_VALIDATION_FAILED", "`date_range.start` is `soon`"));
    assert_eq!(ended.of("NotifyFailure")[0].input["Message"]["state"], "PlanDays");
}

#[test]
fn the_crawler_is_waited_for_and_judged() {
    let crawl = |state: &str, status: &str| json!({ "Crawler": { "State": state, "LastCrawl": { "Status": status } } });
    let mut looks = 0;
    let ended = run(input(), |call| match call.state.as_str() {
        "GetCrawler" => {
            looks += 1;
            Ok(if looks < 4 { crawl("RUNNING", "SUCCEEDED") } else { crawl("READY", "SUCCEEDED") })
        }
        _ => well(call),
    });
    assert_eq!((ended.of("GetCrawler").len(), &ended.output()["ok"]), (4, &json!(true)));

    let ended = run(input(), |call| match call.state.as_str() {
        "GetCrawler" => Ok(crawl("READY", "FAILED")),
        _ => well(call),
    });
    assert_eq!(ended.failure().0, "CRAWLER_FAILED");
    assert_eq!(ended.of("NotifyFailure").len(), 1);

    let ended = run(input(), |call| match call.state.as_str() {
        "StartCrawler" => Err(Failure::new("Glue.EntityNotFoundException", "no crawler")),
        _ => well(call),
    });
    assert_eq!((ended.failure(), ended.of("StartCrawler").len()), (("CRAWLER_FAILED", "no crawler"), 1));
}

#[test]
fn a_crawler_that_runs_already_is_a_warning() {
    let ended = run(input(), |call| match call.state.as_str() {
        "StartCrawler" => Err(Failure::new("Glue.CrawlerRunningException", "running")),
        _ => well(call),
    });
    assert_eq!(ended.of("StartCrawler").len(), 1);
    assert_eq!(ended.output()["crawlerWarning"]["Error"], "Glue.CrawlerRunningException");
}
